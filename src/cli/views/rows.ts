import { type CommandRow, JSON_OPTION } from '../command/command-row.ts';

const SERVES = [
  [0, 'a key can serve now'],
  [1, 'no key can serve, or there are none'],
] as const;

export const VIEW_COMMANDS: readonly CommandRow[] = [
  {
    name: 'status',
    group: 'See what is going on',
    summary: 'show what is wrong, the proxy, and what is left of each key',
    details:
      'Asks nobody but the local proxy, and is quick. Alerts come first, each with what to do. QUOTA is what was left of each window when the proxy or a command last asked; `kmi health` asks now. READ says how long ago that was when it is over 15 minutes. TODAY counts requests. `>` marks the active key in manual mode. `kmi doctor` checks everything else.',
    examples: ['kmi status', 'kmi status --all', 'kmi status --json | jq .quota'],
    exitCodes: SERVES,
    options: [{ flags: '--all', help: 'also rotation, health checks, policy and paths, and every key of many' }, JSON_OPTION],
    rootFlag: '--status',
    withoutSettings: true,
    withoutToken: true,
    settingsOf: 'proxy',
    load: () => import('./status/run.ts'),
  },
  {
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
    load: () => import('./health/run.ts'),
  },
  {
    name: 'current',
    group: 'See what is going on',
    summary: "show the quota of the account in the Kimi CLI's own config",
    details: 'Reads the configs of kimi-cli and Kimi Code. Ignores the keys in the auths folder.',
    examples: ['kmi --current', 'kmi current --json'],
    exitCodes: [
      [0, 'an account is shown, or the client goes through the proxy'],
      [1, 'there is no config, no key in it, or no answer'],
    ],
    options: [JSON_OPTION],
    rootFlag: '--current',
    withoutSettings: true,
    settingsOf: 'proxy',
    load: () => import('./current/run.ts'),
  },
  {
    name: 'trace',
    group: 'See what is going on',
    summary: 'watch requests as the proxy serves them',
    details: `In a terminal: a window as high as the terminal, with the keys up, down and Enter (select a request, see how it found its key), k, s, c (filter), p, ? and q. Into a pipe or file: the newest 20 lines, then each new one as it comes. With --last: that many lines, and it ends.

\`12.3k/98%\` are the input tokens of a request and the share of them that the prompt cache served, as far as the upstream stated them. How evenly requests fall on keys is for \`kmi e2e\` to say.`,
    examples: ['kmi trace', 'kmi trace --last 100 --errors', 'kmi trace --json | jq .status'],
    options: [
      { flags: '--json', help: 'JSON lines: one object for each request, as in the trace file' },
      { flags: '-n, --last <count>', help: 'print the newest requests, oldest first, and end' },
      { flags: '--key <label>', help: 'only requests served by this key' },
      { flags: '--errors', help: 'only requests that failed' },
      { flags: '--window <count>', help: 'requests over which those of each key are counted (default 200)' },
    ],
    rootFlag: '--trace',
    withoutSettings: true,
    withoutToken: true,
    settingsOf: 'proxy',
    load: () => import('./trace/run.ts'),
  },
  {
    name: 'watch',
    group: 'See what is going on',
    summary: 'watch the day: who can serve, what is left, requests, events',
    details: `In a terminal: one live screen. It says whether work can go on, shows each key with what is left of its quota windows and when they reset, requests as they come, and what happens beside them: failovers, cooldowns, blocks, broken streams, starts and stops of the proxy. Keys: up and down (select), f (free: end a cooldown, unblock), n or Enter (use next), p (pause), ? and q. Into a pipe or file: a line for each request and each event.

Asks nobody but the local proxy; readings of the quota are those the proxy took last.`,
    examples: ['kmi watch', 'kmi watch > today.log'],
    withoutSettings: true,
    withoutToken: true,
    settingsOf: 'proxy',
    load: () => import('./watch/run.ts'),
  },
  {
    name: 'usage',
    group: 'See what is going on',
    summary: 'show the tokens used, by key, account, model, day or session',
    details: `The proxy reads the tokens from the answers as they pass, also from aborted ones. Input is the whole prompt; cached is the part that the prompt cache served. An OpenAI stream reports its tokens only if the client sets stream_options.include_usage. An account is shown with the keys that it was counted for.

kmi keeps the last 100 days with tokens, and saves within a second. Beyond 1000 sessions a day (200 once the day is over), it counts the smallest together as "(other)".`,
    examples: ['kmi usage', 'kmi usage --by day --since 30d', 'kmi usage --by model --json | jq .total'],
    options: [
      JSON_OPTION,
      { flags: '--by <key|account|model|day|session>', help: 'what to sum by (default key)' },
      { flags: '--since <time>', help: 'a span such as 12h or 30d, or a date; from the start of that day (default 7d)' },
    ],
    withoutSettings: true,
    withoutToken: true,
    settingsOf: 'proxy',
    load: () => import('./usage/run.ts'),
  },
  {
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
    load: () => import('./why/run.ts'),
  },
  {
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
    load: () => import('./doctor/run.ts'),
  },
  {
    name: 'notify-test',
    group: 'See what is going on',
    summary: 'send a test notice to the target of KMI_NOTIFY',
    details: `A running proxy sends a notice when no key can serve, when an account runs out or comes back, and when a key needs you; at most one per cause and hour. In dry-run it sends none.

A webhook gets JSON by POST. text (for Slack) and content (for Discord) hold the message. event is none_left, used_up, back, key_refused, account_unpaid, account_closed or test. key_label, at and until name the key, the time and the end.`,
    examples: ['kmi notify-test', 'KMI_NOTIFY=desktop kmi notify-test'],
    exitCodes: [
      [0, 'it was sent'],
      [1, 'it was not sent'],
      [2, 'KMI_NOTIFY is not set'],
    ],
    withoutToken: true,
    settingsOf: 'proxy',
    load: () => import('./notify-test/run.ts'),
  },
];
