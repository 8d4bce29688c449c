import type { CommandRow } from '../../command/command-row.ts';

export const VERSION: CommandRow = {
  name: 'version',
  group: 'Set up',
  summary: 'print the version',
  details: 'The same as `kmi --version`. `kmi status` names the version of the proxy that runs.',
  examples: ['kmi version'],
  withoutSettings: true,
  withoutToken: true,
  load: () => import('./run.ts'),
};
