import { type CommandRow, JSON_OPTION } from '../../command/command-row.ts';
import { SERVES } from '../exit-codes.ts';

export const HEALTH: CommandRow = {
  name: 'health',
  group: 'See what is going on',
  summary: 'ask the upstream for the quota of every key and show it',
  details:
    "Calls /usages once for each key, in parallel. Shows what is left of every quota window and when it resets, which keys share an account, today's tokens, and how long cooldowns and blocks last. In dry-run it sends nothing and shows full quotas.",
  examples: ['kmi health', 'kmi health --json'],
  exitCodes: SERVES,
  options: [JSON_OPTION],
  rootFlag: '--health',
  rootFlagAlias: '--all',
  withoutSettings: true,
  withoutToken: true,
  settingsOf: 'proxy',
  load: () => import('./run.ts'),
};
