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
      'One call of /usages a key, side by side. Shows every quota window with what is left and when it resets, which keys are of one account, the tokens the proxy has counted today, and cooldowns and blocks with the time left. In dry-run nothing is asked and everything is full.',
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
    details: 'Looks at the configs of kimi-cli and Kimi Code, whichever exist. Keys in the auths folder are not asked.',
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
    details: `The proxy reads them from the answers as they pass, aborted ones included as far as the upstream said; asks nobody. The input is the whole prompt, and cached is the part of it that the prompt cache served. An OpenAI stream states its tokens only when the client asks with stream_options.include_usage. An account is shown with the keys that were counted for it.

Tokens are kept by day, for the last 100 days with any, and saved within a second. Beyond 1000 sessions a day (200 once it is over) the smallest are counted together as "(other)".`,
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
    summary: 'tell how a request found its key: who was tried, skipped, why',
    details:
      'A request is named by its id, by the first 6 characters of it or more, as `kmi trace` shows them, or by `last`, which is also meant when none is named. Told are the keys that were tried and passed over, why the one was chosen, the session the request belongs to and its tokens, as far as the trace has them.',
    examples: ['kmi why', 'kmi why 3f2a9c1d', 'kmi why last --json'],
    exitCodes: [
      [0, 'told'],
      [1, 'the trace has no such request'],
      [2, 'wrong usage, or several requests begin like that'],
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
    summary: 'check everything that can be wrong and say how to mend it',
    details: 'The upstream is asked in live mode only, or with --recheck-keys.',
    examples: ['kmi doctor', 'kmi doctor --fix', 'kmi doctor --recheck-keys', 'kmi doctor --json'],
    exitCodes: [
      [0, 'nothing fails; there may be warnings'],
      [1, 'a check fails'],
    ],
    options: [
      JSON_OPTION,
      { flags: '--fix', help: 'mend what is safe to mend: file permissions, a stale proxy.pid, expired blocks' },
      {
        flags: '--recheck-keys',
        help: 'ask the upstream about every key, also in dry-run; blocked keys that answer are unblocked, and a cooldown for quota ends where there is quota',
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
    summary: 'send a test notice to where KMI_NOTIFY says',
    details: `A running proxy sends a notice when no key can serve, when an account runs out or comes back, and when a key needs you; at most one per cause and hour. In dry-run it sends none.

A webhook gets a POST of JSON: text (for Slack) and content (for Discord) hold the words; event is none_left, used_up, back, key_refused, account_unpaid, account_closed or test; key_label, at and until say whom it is about, when it happened and when it ends.`,
    examples: ['kmi notify-test', 'KMI_NOTIFY=desktop kmi notify-test'],
    exitCodes: [
      [0, 'it was sent'],
      [1, 'it was not'],
      [2, 'KMI_NOTIFY is not set'],
    ],
    withoutToken: true,
    settingsOf: 'proxy',
    load: () => import('./notify-test/run.ts'),
  },
];
