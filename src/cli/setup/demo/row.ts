import type { CommandRow } from '../../command/command-row.ts';

export const DEMO: CommandRow = {
  name: 'demo',
  group: 'Set up',
  summary: 'watch the proxy carry chats over a limit, on simulated accounts',
  details: 'Needs no key and no network: three made-up accounts answer, and one of them runs into its limit on the way.',
  examples: ['kmi demo'],
  exitCodes: [
    [0, 'every chat was answered'],
    [1, 'one was not'],
  ],
  load: () => import('./run.ts'),
};
