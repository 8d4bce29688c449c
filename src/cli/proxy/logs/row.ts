import type { CommandRow } from '../../command/command-row.ts';

export const PROXY_LOGS: CommandRow = {
  name: 'logs',
  aliases: ['proxy-logs'],
  group: 'The proxy',
  summary: 'show what the proxy has logged, and follow it',
  details: `Shows one log: what the background proxy printed and what the app logged, in the order of time. In a terminal it follows the log, through rotation, until Ctrl+C; elsewhere it prints and ends.

With --since the rotated files are searched too, and lines without a time go with the line before them.`,
  examples: ['kmi logs', 'kmi logs --since 10m --no-follow', 'kmi logs --json --since 1h | jq .message'],
  exitCodes: [
    [0, 'printed'],
    [1, 'there is no log'],
    [2, 'wrong usage, such as a --since it does not understand'],
  ],
  options: [
    { flags: '--json', help: 'JSON lines: one object for each line of the log' },
    { flags: '--follow', help: 'follow the log (default in a terminal)' },
    { flags: '--no-follow', help: 'print and end' },
    { flags: '-n, --lines <count>', help: 'at most this many lines, the newest (default: 50; with --since: all)' },
    { flags: '--daemon', help: 'only what the background proxy printed: starts, stops, crashes' },
    { flags: '--app', help: 'only what the app logged' },
    { flags: '--since <time>', help: 'today, yesterday, a span such as 10m or 2d, or a time such as 2026-02-02T12:00' },
  ],
  withoutSettings: true,
  withoutToken: true,
  load: () => import('./run.ts'),
};
