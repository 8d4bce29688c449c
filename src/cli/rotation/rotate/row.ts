import { type CommandRow, JSON_OPTION } from '../../command/command-row.ts';

export const ROTATE: CommandRow = {
  name: 'rotate',
  group: 'Choose keys',
  summary: 'make the key with the most quota left the active one',
  details: `Asks the upstream for the quota of every key and chooses by status, quota left and error rate. Says what changed and why. A running proxy follows within a second.

With --write-config, or KMI_WRITE_CONFIG=1, kmi also writes the key to the config of the Kimi CLI, and keeps a backup. Use this for a Kimi CLI without the proxy. Works in live mode only.

The subcommands \`rotate auto\` and \`rotate off\` turn auto-rotation on and off. While it is on, the active key has no effect.`,
  examples: ['kmi rotate', 'kmi rotate auto', 'kmi rotate off'],
  exitCodes: [
    [0, 'a key is active'],
    [1, 'no key is eligible, or there are none'],
  ],
  options: [JSON_OPTION, { flags: '--write-config', help: "also write the key into the Kimi CLI's own config" }],
  rootFlag: '--rotate',
  withoutToken: true,
  settingsOf: 'proxy',
  load: () => import('./run.ts'),
};
