import { type CommandRow, JSON_OPTION } from '../../command/command-row.ts';

export const WHY: CommandRow = {
  name: 'why',
  group: 'See what is going on',
  args: '[request]',
  summary: 'show how a request got its key: what was tried and skipped',
  details:
    'Name a request by its id, by at least the first 6 characters that `kmi trace` shows, or by `last` (the default). Shows which keys were tried and which were skipped, why one was chosen, the session of the request, and its tokens.',
  examples: ['kmi why', 'kmi why 3f2a9c1d', 'kmi why last --json'],
  exitCodes: [
    [0, 'shown'],
    [1, 'the trace has no such request'],
    [2, 'wrong usage, or several ids begin like that'],
  ],
  options: [JSON_OPTION],
  withoutSettings: true,
  withoutToken: true,
  settingsOf: 'proxy',
  load: () => import('./run.ts'),
};
