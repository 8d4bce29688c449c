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

With --write-config, or KMI_WRITE_CONFIG=1, the key also goes into the config of the Kimi CLI, with a backup: for a Kimi CLI that is used without the proxy. Only in live mode.

The subcommands \`rotate auto\` and \`rotate off\` turn auto-rotation on and off; while it is on, the active key waits.`,
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
    details: `Refused unless KMI_AUTO_ROTATE_ALLOWED=1: read the provider's terms first. Then the end-to-end check runs as in \`kmi e2e\`, unless KMI_AUTO_ROTATE_E2E=0.

${strategyHelp()}

For coding agents \`sticky\` is best, or \`quota\` when the quota of several accounts is to be used up: the prompt cache belongs to the account, and a cached input token costs a tenth. A request without a session takes the account whose turn it is. Which session a request belongs to is read from what coding agents send, else from the beginning of the conversation.

The strategy chosen here holds until another is chosen, and goes before KMI_ROTATE_STRATEGY; \`--strategy setting\` gives the choice up.`,
    examples: ['kmi rotate auto', 'kmi rotate auto --strategy sticky', 'kmi --auto_rotate'],
    exitCodes: [
      [0, 'it is on, and the check passed or was left out'],
      [1, 'it is not allowed, there are no keys, or the check failed'],
      [2, 'wrong usage, such as an unknown strategy; nothing is changed'],
      [130, 'interrupted in the check; auto-rotation stays on'],
    ],
    options: [
      {
        ...STRATEGY_OPTION,
        help: `${listed(STRATEGIES, 'or')}, or setting; without it, as before`,
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
    details: 'A running proxy follows within a second. `kmi rotate` picks another active key.',
    examples: ['kmi rotate off'],
    withoutToken: true,
    settingsOf: 'proxy',
    load: () => import('./off/run.ts'),
  },
  {
    name: 'e2e',
    group: 'Choose keys',
    summary: 'send requests through the proxy and check that keys share them',
    details: `Starts a proxy for the time of the check when none runs. Counts that differ only because the requests do not divide by the keys are even. Keys that were passed over on the way (on cooldown, blocked, low quota) are named and left out of the confidence; when one key alone could serve, nothing is judged. With the strategies ${listed(UNEVEN_STRATEGIES, 'and')}, requests without a session such as these are shared among accounts, not keys.`,
    examples: ['kmi e2e', 'kmi e2e -n 120 --batch 20 --pause 0', 'kmi e2e --json'],
    exitCodes: [
      [0, 'every request was answered and, where several keys take turns, the shares are even'],
      [1, 'one failed, or the confidence is under --min-confidence'],
      [2, 'wrong usage'],
      [130, 'interrupted'],
    ],
    options: [
      { flags: '-n, --requests <count>', help: 'requests to send', default: '50' },
      { flags: '--batch <count>', help: 'requests sent side by side', default: '10' },
      { flags: '--window <count>', help: 'newest requests over which confidence is taken (default: all)' },
      { flags: '--endpoint <path>', help: 'path below the base path, asked with GET', default: '/models' },
      { flags: '--min-confidence <percent>', help: 'confidence that passes', default: '95' },
      { flags: '--timeout <seconds>', help: 'time for one request', default: '10' },
      { flags: '--pause <seconds>', help: 'pause between batches', default: '0.5' },
      { flags: '--scheme <http|https>', help: 'default: https when the proxy has its own certificate' },
      JSON_OPTION,
    ],
    settingsOf: 'proxy',
    load: () => import('./e2e/run.ts'),
  },
];
