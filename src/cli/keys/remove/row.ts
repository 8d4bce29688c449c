import { type CommandRow, YES_OPTION } from '../../command/command-row.ts';

export const KEYS_REMOVE: CommandRow = {
  name: 'keys remove',
  aliases: ['keys rm'],
  args: '<label...>',
  summary: 'remove keys',
  details:
    'Asks first. Renames the file to <file>.removed-<time>, which kmi does not read. Kimi shows a key only once, so rename the file back to undo it. --purge deletes the file. If a file has several providers, all of them go. Of a login it does what `kmi logout` does.',
  examples: ['kmi keys remove work', 'kmi keys remove old spare --yes', 'kmi keys remove work --purge'],
  exitCodes: [
    [0, 'removed'],
    [1, 'declined, no such key, or another file holds the same key'],
    [2, 'wrong usage, or no terminal and no --yes'],
  ],
  options: [YES_OPTION, { flags: '--purge', help: 'delete the file for good' }],
  withoutToken: true,
  settingsOf: 'keys',
  load: () => import('./run.ts'),
};
