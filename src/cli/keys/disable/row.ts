import type { CommandRow } from '../../command/command-row.ts';

export const KEYS_DISABLE: CommandRow = {
  name: 'keys disable',
  args: '<label...>',
  summary: 'disable keys without removing them',
  details:
    'Sets KMI_KEY_DISABLED=1 in the .env file of the key, and changes no other line; a login is disabled in its own file, and stays logged in. kmi cannot disable a key from a .toml or .json file: move it to an .env file.',
  examples: ['kmi keys disable work'],
  withoutToken: true,
  settingsOf: 'keys',
  load: () => import('./run.ts'),
};
