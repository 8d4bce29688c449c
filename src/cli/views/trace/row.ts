import type { CommandRow } from '../../command/command-row.ts';

export const TRACE: CommandRow = {
  name: 'trace',
  group: 'See what is going on',
  summary: 'watch requests as the proxy serves them',
  details: `In a terminal: a window as high as the terminal, with the keys up, down and Enter (select a request, see how it found its key), k, s, c (filter), p, ? and q. Into a pipe or file: the newest 20 lines, then each new one as it comes. With --last: that many lines, and it ends.

\`12.3k/98%\` are the input tokens of a request and the share of them that the prompt cache served, as far as the upstream stated them. \`kmi e2e\` measures how evenly requests fall on keys.`,
  examples: ['kmi trace', 'kmi trace --last 100 --errors', 'kmi trace --json | jq .status'],
  options: [
    { flags: '--json', help: 'JSON lines: one object for each request, as in the trace file' },
    { flags: '-n, --last <count>', help: 'print the newest requests, oldest first, and end' },
    { flags: '--key <label>', help: 'only requests served by this key' },
    { flags: '--errors', help: 'only requests that failed' },
    { flags: '--window <count>', help: 'count the requests of each key among the newest <count> (default 200)' },
  ],
  rootFlag: '--trace',
  withoutSettings: true,
  withoutToken: true,
  settingsOf: 'proxy',
  load: () => import('./run.ts'),
};
