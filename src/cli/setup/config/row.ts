import { type CommandRow, JSON_OPTION } from '../../command/command-row.ts';

export const CONFIG: CommandRow = {
  name: 'config',
  group: 'Set up',
  summary: 'show what is set, and where each value came from',
  details:
    'Shows the settings that were changed; with --all, or --json, every setting. A file named by KMI_ENV_PATH overrides the environment, which overrides a .env in the current folder. Secrets are not shown.',
  examples: ['kmi config', 'kmi config --all', 'kmi config --json'],
  options: [{ flags: '--all', help: 'also the settings that have their default' }, JSON_OPTION],
  load: () => import('./run.ts'),
};
