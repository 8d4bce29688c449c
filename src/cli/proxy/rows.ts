import { type CommandRow, JSON_OPTION, type OptionRow, YES_OPTION } from '../command/command-row.ts';

const STOP_OPTIONS: readonly OptionRow[] = [
  // They asked once; scripts still say so.
  { ...YES_OPTION, hidden: true },
  { flags: '-f, --force', help: 'kill it (SIGKILL): open requests are cut off' },
];

export const PROXY_COMMANDS: readonly CommandRow[] = [
  {
    name: 'proxy',
    aliases: ['start'],
    group: 'The proxy',
    summary: 'start the proxy',
    details: `Starts the proxy in the background. Once it answers, prints its address, pid and log, and how to point a client at it. If a proxy of this state folder is running, leaves it alone, and says so if its settings differ from those here.

The proxy picks up new and removed keys, \`kmi rotate\` and cleared blocks within a second. Changed settings need \`kmi restart\`.`,
    examples: ['kmi proxy', 'kmi proxy --foreground', 'kmi proxy --json | jq -r .url'],
    exitCodes: [
      [0, 'it runs; with --foreground, it was stopped'],
      [
        1,
        'it did not start (kmi shows its log), there are no keys, another program holds the port, or it already runs at another address',
      ],
      [2, 'wrong usage or unusable settings'],
    ],
    options: [
      { flags: '--daemon', help: 'run in the background (the default)' },
      { flags: '--foreground', help: 'stay in this terminal until Ctrl+C, with a line for each request' },
      { flags: '--port <number>', help: 'port for this run, instead of the one in KMI_PROXY_LISTEN' },
      JSON_OPTION,
      { flags: '--quiet', help: 'in the foreground: no line for each request' },
      { flags: '--detached', help: 'as the background proxy: do not hold the folder it was started in', hidden: true },
      { flags: '--make-token', help: 'first make a token that clients must send (proxy.token), unless one is set' },
      { flags: '--simulate-without-keys', help: 'if there are no keys, simulate the upstream instead of failing' },
    ],
    load: () => import('./start/run.ts'),
  },
  {
    name: 'proxy-stop',
    aliases: ['stop'],
    group: 'The proxy',
    summary: 'stop the proxy; open requests finish first',
    details:
      'Finds the proxy of the state folder, also after a change of KMI_PROXY_LISTEN. Signals only a process that the state folder and its own /healthz both identify as this proxy. Names any other program on the port, and leaves it alone.',
    examples: ['kmi stop', 'kmi stop -f'],
    exitCodes: [
      [0, 'no proxy of this state folder is running'],
      [1, 'the process on the port is not this proxy, or cannot be signalled'],
      [2, 'wrong usage'],
    ],
    options: STOP_OPTIONS,
    withoutSettings: true,
    withoutToken: true,
    load: () => import('./stop/run.ts'),
  },
  {
    name: 'proxy-restart',
    aliases: ['restart'],
    group: 'The proxy',
    summary: 'stop the proxy if it runs, then start it in the background',
    details: `Applies changed settings. Stops the proxy as \`kmi stop\` does and starts it as \`kmi start\` does. If it could not start with the new settings, the old proxy keeps running.

In another folder, other settings may apply; the command names them. It refuses to change the mode, the keys, the upstream, the address or the token for that reason. --here permits it.`,
    examples: ['kmi restart', 'kmi restart --here'],
    exitCodes: [
      [0, 'it runs'],
      [1, 'refused, not stopped, or not started again'],
      [2, 'wrong usage'],
    ],
    options: [
      ...STOP_OPTIONS,
      { flags: '--here', help: 'apply the settings of this folder to a proxy that was started in another' },
    ],
    load: () => import('./restart/run.ts'),
  },
  {
    name: 'proxy-logs',
    aliases: ['logs'],
    group: 'The proxy',
    summary: 'show what the proxy has logged, and follow it',
    details: `Shows one log: what the background proxy printed and what the app logged, in the order of time. In a terminal it follows the log, through rotation, until Ctrl+C; elsewhere it prints and ends.

With --since the rotated files are searched too, and lines without a time go with the line before them.`,
    examples: ['kmi proxy-logs', 'kmi proxy-logs --since 10m --no-follow', 'kmi proxy-logs --json --since 1h | jq .message'],
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
      { flags: '--since <when>', help: 'a span (30s, 10m, 1h, 2d) or an ISO time' },
    ],
    withoutSettings: true,
    withoutToken: true,
    load: () => import('./logs/run.ts'),
  },
];
