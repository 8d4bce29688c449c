import { type CommandRow, JSON_OPTION } from '../../command/command-row.ts';

export const CURRENT: CommandRow = {
  name: 'current',
  group: 'See what is going on',
  summary: "show the quota of the account in the Kimi CLI's own config",
  details: 'Reads the configs of kimi-cli and Kimi Code. Ignores the keys in the auths folder.',
  examples: ['kmi --current', 'kmi current --json'],
  exitCodes: [
    [0, 'an account is shown, or the client goes through the proxy'],
    [1, 'there is no config, no key in it, or no answer'],
  ],
  options: [JSON_OPTION],
  rootFlag: '--current',
  withoutSettings: true,
  settingsOf: 'proxy',
  load: () => import('./run.ts'),
};
