import { type CommandRow, JSON_OPTION } from '../../command/command-row.ts';

export const DOCTOR: CommandRow = {
  name: 'doctor',
  group: 'See what is going on',
  summary: 'check what can go wrong, and say how to fix it',
  details: 'Asks the upstream in live mode only, or with --recheck-keys.',
  examples: ['kmi doctor', 'kmi doctor --fix', 'kmi doctor --recheck-keys', 'kmi doctor --json'],
  exitCodes: [
    [0, 'nothing fails; there may be warnings'],
    [1, 'a check fails'],
  ],
  options: [
    JSON_OPTION,
    { flags: '--fix', help: 'fix what is safe to fix: file permissions, a stale proxy.pid, expired blocks' },
    {
      flags: '--recheck-keys',
      help: 'ask the upstream about every key, also in dry-run; unblock keys that answer, and end cooldowns of keys that have quota again',
    },
    { flags: '--clear-blocklist', help: 'unblock every key without asking' },
  ],
  onlyLooks: true,
  withoutSettings: true,
  withoutToken: true,
  settingsOf: 'proxy',
  load: () => import('./run.ts'),
};
