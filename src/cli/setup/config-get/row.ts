import type { CommandRow } from '../../command/command-row.ts';

export const CONFIG_GET: CommandRow = {
  name: 'config get',
  args: '<setting>',
  summary: 'print the value of one setting',
  details:
    'Prints the value alone, for scripts, whether it was set or is the default. A secret is not shown: (set) or (not set).',
  examples: ['kmi config get KMI_DRY_RUN'],
  withoutToken: true,
  load: () => import('./run.ts'),
};
