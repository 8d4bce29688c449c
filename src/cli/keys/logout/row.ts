import { type CommandRow, YES_OPTION } from '../../command/command-row.ts';

export const LOGOUT: CommandRow = {
  name: 'logout',
  args: '<label>',
  group: 'Set up',
  summary: 'log out of a Kimi account',
  details: `Deletes the tokens that \`kmi login\` stored. A login of Kimi Code or kimi-cli that kmi uses in place is only forgotten: that program stays logged in.`,
  examples: ['kmi logout work', 'kmi logout work --yes'],
  exitCodes: [
    [0, 'logged out'],
    [1, 'declined, or no such login'],
    [2, 'wrong usage, or no terminal and no --yes'],
  ],
  options: [YES_OPTION],
  withoutToken: true,
  settingsOf: 'keys',
  load: () => import('./run.ts'),
};
