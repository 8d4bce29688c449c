import { completionCommand, INIT_COMMAND, KEY_COMMANDS } from './catalogue-keys.ts';
import { type CommandRow, JSON_OPTION, type OptionRow, YES_OPTION } from './command-row.ts';

export type { CommandRow, OptionRow } from './command-row.ts';

const STOP_OPTIONS: readonly OptionRow[] = [
  YES_OPTION,
  { flags: '-f, --force', help: 'kill it (SIGKILL): open requests are cut off' },
];

/** Every command, in the order `kmi --help` lists them. */
export const COMMANDS: readonly CommandRow[] = [
  INIT_COMMAND,
  {
    name: 'proxy',
    summary: 'serve the proxy that clients are pointed at',
    details:
      'By default it runs in the background, as a process of its own, and the command ends once it answers. A proxy that\nruns already is left as it is. Exit code 1 when it does not start; its log then says why.',
    examples: ['kmi proxy', 'kmi proxy --foreground'],
    options: [
      { flags: '--daemon', help: 'run in the background (the default)' },
      { flags: '--foreground', help: 'stay in this terminal until Ctrl+C' },
      { flags: '--simulate-without-keys', help: 'when there are no keys, serve a simulated upstream instead of failing' },
    ],
    load: () => import('./proxy.ts'),
  },
  {
    name: 'proxy-stop',
    summary: 'stop the proxy; open requests finish first',
    details:
      'Only a process that both proxy.pid and its own /healthz show to be this proxy is signalled. Exit code 0 when no proxy\nruns any more, 1 when one was left alone.',
    examples: ['kmi proxy-stop', 'kmi proxy-stop -y -f'],
    options: STOP_OPTIONS,
    load: () => import('./proxy-stop.ts'),
  },
  {
    name: 'proxy-restart',
    summary: 'stop the proxy if it runs, then start it in the background',
    examples: ['kmi proxy-restart -y'],
    options: STOP_OPTIONS,
    load: () => import('./proxy-restart.ts'),
  },
  {
    name: 'proxy-logs',
    summary: 'show what the proxy has logged, and go on showing it',
    details:
      'In a terminal it follows the log, through rotation, until Ctrl+C; elsewhere it prints and ends. With --since the\nrotated files are searched too, and lines without a time go with the line before them.\nExit codes: 0, 1 when there is no log, 2 for a --since it does not understand.',
    examples: ['kmi proxy-logs', 'kmi proxy-logs --app --since 10m --no-follow', 'kmi proxy-logs -n 200 --no-follow'],
    options: [
      { flags: '--follow', help: 'go on showing new lines (the default in a terminal)' },
      { flags: '--no-follow', help: 'print and end' },
      { flags: '-n, --lines <count>', help: 'at most this many lines, the newest (default: 50; with --since: all)' },
      { flags: '--daemon', help: 'what the background proxy printed: starts, stops, crashes (the default)' },
      { flags: '--app', help: "the app's own log, JSON lines" },
      { flags: '--since <when>', help: 'a span (30s, 10m, 1h, 2d) or an ISO time' },
    ],
    load: () => import('./proxy-logs.ts'),
  },
  {
    name: 'status',
    summary: 'show mode, proxy, keys, rotation and what is wrong',
    examples: ['kmi status', 'kmi status --json'],
    options: [JSON_OPTION],
    rootFlag: '--status',
    load: () => import('./status.ts'),
  },
  {
    name: 'health',
    summary: 'ask the upstream for the quota of every key and show it',
    examples: ['kmi health', 'kmi health --json'],
    options: [JSON_OPTION],
    rootFlag: '--health',
    rootFlagAlias: '--all',
    load: () => import('./health.ts'),
  },
  {
    name: 'current',
    summary: "show the quota of the account in the Kimi CLI's own config",
    details: 'Looks at the configs of kimi-cli and Kimi Code, whichever exist. Keys in the auths folder are not asked.',
    examples: ['kmi --current', 'kmi current --json'],
    options: [JSON_OPTION],
    rootFlag: '--current',
    load: () => import('./current.ts'),
  },
  ...KEY_COMMANDS,
  {
    name: 'trace',
    summary: 'watch requests as the proxy serves them',
    details: `In a terminal: a window of the newest 20 requests with the keys ?, q, k, s, c, p. Into a pipe or file: the newest
20 lines, then each new one as it comes. With --last: that many lines, and it ends.
--json prints JSON lines, one object for each request, as they stand in the trace file.
Confidence is 100 less the largest deviation of a key from the even share, in percent of that share.`,
    examples: ['kmi trace', 'kmi trace --last 100 --errors', 'kmi trace --json | jq .status'],
    options: [
      { flags: '--json', help: 'JSON lines: one object for each request' },
      { flags: '--last <count>', help: 'print the newest requests, oldest first, and end' },
      { flags: '--key <label>', help: 'only requests served by this key' },
      { flags: '--errors', help: 'only requests that failed' },
      { flags: '--window <count>', help: 'requests over which confidence is taken (default 200)' },
    ],
    rootFlag: '--trace',
    load: () => import('./trace.ts'),
  },
  {
    name: 'why',
    args: '<request>',
    summary: 'tell how one request found its key: who was tried, skipped, chosen, and why',
    details: 'A request is named by its id or the first 6 characters and more, as `kmi trace` shows them, or by `last`.',
    examples: ['kmi why 3f2a9c1d', 'kmi why last', 'kmi why last --json'],
    options: [JSON_OPTION],
    load: () => import('./why.ts'),
  },
  {
    name: 'e2e',
    summary: 'send requests through the proxy and check that they fall evenly on the keys',
    details: `Starts a proxy for the time of the check when none runs. Exit code 1 when a request failed, or when round-robin is on and
the confidence is under --min-confidence. Counts that differ only because the requests do not divide by the keys are even.
Keys that were passed over on the way (cooling down, blocked, low quota) are named and left out of the confidence.`,
    examples: ['kmi e2e', 'kmi e2e -n 120 --batch 20 --pause 0', 'kmi e2e --json'],
    options: [
      { flags: '-n, --requests <count>', help: 'requests to send', default: '50' },
      { flags: '--batch <count>', help: 'requests sent side by side', default: '10' },
      { flags: '--window <count>', help: 'newest requests over which confidence is taken', default: '50' },
      { flags: '--endpoint <path>', help: 'path below the base path, asked with GET', default: '/models' },
      { flags: '--min-confidence <percent>', help: 'confidence that passes', default: '95' },
      { flags: '--timeout <seconds>', help: 'time for one request', default: '10' },
      { flags: '--pause <seconds>', help: 'pause between batches', default: '0.5' },
      { flags: '--scheme <scheme>', help: 'http or https; default: https when the proxy has its own certificate' },
      JSON_OPTION,
    ],
    load: () => import('./e2e.ts'),
  },
  {
    name: 'kimi',
    args: '[arguments...]',
    summary: 'run the Kimi CLI through the proxy',
    details: `Runs the \`kimi\` found on the PATH (Kimi Code or kimi-cli) with the variables it reads set to the proxy. All arguments,
the terminal, signals and the exit code pass through. \`kimi_robin\` is the same as one word: link it as \`kimi\` in a
folder that comes earlier on the PATH, and every tool that calls \`kimi\` goes through the proxy.
A KIMI_MODEL_NAME of your own is kept; otherwise the default model of the client's config is used. A session of Kimi Code
begun here is continued here.`,
    examples: ['kmi kimi', 'kmi kimi -p "say hello"', 'ln -s "$(command -v kimi_robin)" ~/bin/kimi'],
    passesThrough: 'everything',
    load: () => import('./kimi.ts'),
  },
  {
    name: 'run',
    args: '[command...]',
    summary: 'run any OpenAI- or Anthropic-speaking program through the proxy',
    details: `Sets OPENAI_BASE_URL, OPENAI_API_KEY, ANTHROPIC_BASE_URL, ANTHROPIC_API_KEY, OPENCODE_CONFIG_CONTENT and the variables of
the Kimi clients for that program alone. Its terminal, signals and exit code pass through.`,
    examples: ['kmi run -- claude', 'kmi run -- opencode run "say hello"', 'kmi run -- python agent.py'],
    passesThrough: 'command',
    load: () => import('./run.ts'),
  },
  {
    name: 'env',
    summary: 'print the variables that point programs at the proxy',
    details: 'The lines hold the proxy token when one is set. Without --shell, the syntax is that of $SHELL.',
    examples: [
      'eval "$(kmi env)"',
      'kmi env --shell fish | source',
      'kmi env --shell powershell | Out-String | Invoke-Expression',
    ],
    options: [{ flags: '--shell <shell>', help: 'bash, zsh, fish or powershell' }],
    load: () => import('./env.ts'),
  },
  {
    name: 'rotate',
    summary: 'make the most resourceful key the active one',
    details: 'A running proxy follows within a second. `rotate auto` and `rotate off` turn round-robin on and off.',
    examples: ['kmi rotate', 'kmi rotate auto', 'kmi rotate off'],
    rootFlag: '--rotate',
    load: () => import('./rotate.ts'),
  },
  {
    name: 'rotate auto',
    summary: 'turn round-robin on: each request takes the next key',
    examples: ['kmi rotate auto'],
    rootFlag: '--auto_rotate',
    rootFlagAlias: '--auto-rotate',
    load: () => import('./rotate-auto.ts'),
  },
  {
    name: 'rotate off',
    summary: 'turn round-robin off: requests stay with the active key',
    examples: ['kmi rotate off'],
    load: () => import('./rotate-off.ts'),
  },
  {
    name: 'doctor',
    summary: 'check everything that can be wrong and say how to mend it',
    details: 'The upstream is asked in live mode only, or with --recheck-keys. Exit code 1 when a check fails.',
    examples: ['kmi doctor', 'kmi doctor --fix', 'kmi doctor --recheck-keys', 'kmi doctor --json'],
    options: [
      JSON_OPTION,
      { flags: '--fix', help: 'mend what is safe to mend: file permissions, a stale proxy.pid, expired blocks' },
      { flags: '--recheck-keys', help: 'ask the upstream about every key, also in dry-run; blocked keys that answer are freed' },
      { flags: '--clear-blocklist', help: 'free every blocked key without asking' },
    ],
    load: () => import('./doctor.ts'),
  },
  {
    name: 'config',
    summary: 'show every setting, its value and where it came from',
    examples: ['kmi config', 'kmi config --json'],
    options: [JSON_OPTION],
    load: () => import('./config.ts'),
  },
  completionCommand(() => COMMANDS),
  {
    name: 'demo',
    summary: 'watch the proxy carry chats over a limit, with simulated accounts',
    examples: ['kmi demo'],
    load: () => import('./demo.ts'),
  },
];
