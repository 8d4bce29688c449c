import type { CommandRow } from '../../command/command-row.ts';

export const WATCH: CommandRow = {
  name: 'watch',
  group: 'See what is going on',
  summary: 'watch the day: who can serve, what is left, requests, events',
  details: `In a terminal: one live screen. It says whether work can go on, shows each key with what is left of its quota windows and when they reset, requests as they come, and what happens beside them: failovers, cooldowns, blocks, broken streams, starts and stops of the proxy. Keys: up and down (select), f (free: end a cooldown, unblock), n or Enter (use next), p (pause), ? and q. Into a pipe or file: a line for each request and each event.

Asks only the local proxy. Quota readings are the last ones the proxy took.`,
  examples: ['kmi watch', 'kmi watch > today.log'],
  withoutSettings: true,
  withoutToken: true,
  settingsOf: 'proxy',
  load: () => import('./run.ts'),
};
