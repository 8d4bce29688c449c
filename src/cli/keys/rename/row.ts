import type { CommandRow } from '../../command/command-row.ts';

export const KEYS_RENAME: CommandRow = {
  name: 'keys rename',
  args: '<label> <name>',
  summary: 'give a key another label',
  details:
    'Sets KMI_KEY_LABEL in the .env file of the key; the file keeps its name. Of a login it changes the name under which kmi knows it. The key keeps its counters, cooldown and block, and stays active if it was. Older lines of trace and log keep the old label.',
  examples: ['kmi keys rename key-2 work'],
  withoutToken: true,
  settingsOf: 'keys',
  load: () => import('./run.ts'),
};
