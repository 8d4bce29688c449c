import { type CommandRow, JSON_OPTION } from '../../command/command-row.ts';

export const CONFIG: CommandRow = {
  name: 'config',
  aliases: ['config list', 'config show'],
  group: 'Set up',
  summary: 'show what is set, and where it came from; subcommands change it',
  details:
    'Shows the settings that were changed; with --all, or --json, every setting. A file named by KMI_ENV_PATH overrides the environment, which overrides the .env that counts: that of the current folder if it sets a KMI_ variable, else `~/.kmi/.env`. Secrets are not shown. `kmi config set` changes a setting.',
  examples: ['kmi config', 'kmi config --all', 'kmi config set KMI_DRY_RUN 0'],
  options: [{ flags: '--all', help: 'also the settings that have their default' }, JSON_OPTION],
  load: () => import('./run.ts'),
};
