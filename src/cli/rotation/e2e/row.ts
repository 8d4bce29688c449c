import { UNEVEN_STRATEGIES } from '../../../core/choosing/strategy.ts';
import { listed } from '../../../core/text/listed.ts';
import { type CommandRow, JSON_OPTION } from '../../command/command-row.ts';

export const E2E: CommandRow = {
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
  load: () => import('./run.ts'),
};
