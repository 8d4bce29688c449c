import type { CommandRow } from '../../command/command-row.ts';

export const ROTATE_OFF: CommandRow = {
  name: 'rotate off',
  summary: 'turn auto-rotation off: requests stay with the active key',
  details: 'A running proxy follows within a second. `kmi rotate` chooses another active key.',
  examples: ['kmi rotate off'],
  withoutToken: true,
  settingsOf: 'proxy',
  load: () => import('./run.ts'),
};
