import { AS_SET, STRATEGIES, UNEVEN_STRATEGIES } from '../../core/choosing/strategy.ts';
import { listed } from '../../core/text/listed.ts';
import { type CommandRow, JSON_OPTION, STRATEGY_OPTION } from '../command/command-row.ts';
import { strategyHelp } from '../words/strategy-words.ts';

export const ROTATION_COMMANDS: readonly CommandRow[] = [
  {
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
    load: () => import('./rotate/run.ts'),
  },
  {
    name: 'rotate auto',
    aliases: ['rotate on'],
    summary: 'turn auto-rotation on, and choose its strategy',
    details: `Needs KMI_AUTO_ROTATE_ALLOWED=1: read the provider's terms first. Then runs the end-to-end check of \`kmi e2e\`, unless KMI_AUTO_ROTATE_E2E=0.

${strategyHelp()}

For coding agents, use \`sticky\`, or \`quota\` to use up the quota of every account: the prompt cache belongs to the account, and a cached input token costs a tenth. kmi reads the session from what coding agents send, or else from the beginning of the conversation. Requests without a session take turns among the accounts.

The strategy stays until you choose another, and overrides KMI_ROTATE_STRATEGY. \`--strategy setting\` goes back to KMI_ROTATE_STRATEGY.`,
    examples: ['kmi rotate auto', 'kmi rotate auto --strategy sticky', 'kmi --auto_rotate'],
    exitCodes: [
      [0, 'it is on, and the check passed or was skipped'],
      [1, 'it is not allowed, there are no keys, or the check failed'],
      [2, 'wrong usage, such as an unknown strategy; nothing changed'],
      [130, 'interrupted during the check; auto-rotation stays on'],
    ],
    options: [
      {
        ...STRATEGY_OPTION,
        help: `${listed(STRATEGIES, 'or')}, or setting for KMI_ROTATE_STRATEGY; default: no change`,
        values: [...STRATEGIES, AS_SET],
      },
    ],
    rootFlag: '--auto_rotate',
    rootFlagAlias: '--auto-rotate',
    settingsOf: 'proxy',
    load: () => import('./auto/run.ts'),
  },
  {
    name: 'rotate off',
    summary: 'turn auto-rotation off: requests stay with the active key',
    details: 'A running proxy follows within a second. `kmi rotate` chooses another active key.',
    examples: ['kmi rotate off'],
    withoutToken: true,
    settingsOf: 'proxy',
    load: () => import('./off/run.ts'),
  },
  {
    name: 'e2e',
    group: 'Choose keys',
    summary: 'send test requests, and check that the keys share them',
    details: `If no proxy runs, starts one for the check. Names keys that could not serve (on cooldown, blocked, no quota) and leaves them out of the confidence. If only one key could serve, there is nothing to judge. Counts may differ by the remainder of requests by keys. With the strategies ${listed(UNEVEN_STRATEGIES, 'and')}, requests without a session such as these are shared among accounts, not keys.`,
    examples: ['kmi e2e', 'kmi e2e -n 120 --batch 20 --pause 0', 'kmi e2e --json'],
    exitCodes: [
      [0, 'every request was answered and, where several keys take turns, the shares are even'],
      [1, 'one failed, or the confidence is under --min-confidence'],
      [2, 'wrong usage'],
      [130, 'interrupted'],
    ],
    options: [
      { flags: '-n, --requests <count>', help: 'requests to send', default: '50' },
      { flags: '--batch <count>', help: 'requests sent at a time', default: '10' },
      { flags: '--window <count>', help: 'newest requests to compute the confidence from (default: all)' },
      { flags: '--endpoint <path>', help: 'path below the base path, requested with GET', default: '/models' },
      { flags: '--min-confidence <percent>', help: 'lowest confidence that passes', default: '95' },
      { flags: '--timeout <seconds>', help: 'time limit for one request', default: '10' },
      { flags: '--pause <seconds>', help: 'pause between batches', default: '0.5' },
      { flags: '--scheme <http|https>', help: 'default: https when the proxy has its own certificate' },
      JSON_OPTION,
    ],
    settingsOf: 'proxy',
    load: () => import('./e2e/run.ts'),
  },
];
