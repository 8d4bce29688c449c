import type { CommandRow } from '../../command/command-row.ts';

export const KEYS_ENABLE: CommandRow = {
  name: 'keys enable',
  args: '<label...>',
  summary: 'enable keys again',
  details: 'Sets KMI_KEY_DISABLED=0 in the .env file of the key, and changes no other line.',
  examples: ['kmi keys enable work', 'kmi keys enable work spare'],
  withoutToken: true,
  settingsOf: 'keys',
  load: () => import('./run.ts'),
};
