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
    summary: 'serve the proxy that clients are pointed at',
    details: `Runs in the background, as a process of its own; the command ends once the proxy answers, and prints its address, pid, log and the line that points a client at it. A proxy of this state folder that runs already is left as it is; when its settings are others than those in force here, that is said.

It follows the auth files and the state: keys that come and go, \`kmi rotate\` and cleared blocks take effect within a second. Settings take effect at its next start.`,
    examples: ['kmi proxy', 'kmi proxy --foreground', 'kmi proxy --json | jq -r .url'],
    exitCodes: [
      [0, 'it runs; with --foreground, it was stopped'],
      [
        1,
        'it did not start (its log is shown), there are no keys, a stranger holds the port, or it runs already at another address',
      ],
      [2, 'wrong usage or unusable settings'],
    ],
    options: [
      { flags: '--daemon', help: 'run in the background (the default)' },
      { flags: '--foreground', help: 'stay in this terminal until Ctrl+C, with a line for each request' },
      { flags: '--port <number>', help: 'the port for this run, in place of that of KMI_PROXY_LISTEN' },
      JSON_OPTION,
      { flags: '--quiet', help: 'in the foreground: no line for each request' },
      { flags: '--detached', help: 'as the background proxy: do not hold the folder it was started in', hidden: true },
      { flags: '--make-token', help: 'first make a client token that clients must send (proxy.token), unless one is set' },
      { flags: '--simulate-without-keys', help: 'when there are no keys, serve a simulated upstream instead of failing' },
    ],
    load: () => import('./start/run.ts'),
  },
  {
    name: 'proxy-stop',
    aliases: ['stop'],
    group: 'The proxy',
    summary: 'stop the proxy; open requests finish first',
    details:
      'Finds the proxy of the state folder, also after a change of KMI_PROXY_LISTEN. Only a process that both the state folder and its own /healthz show to be this proxy is signalled; whatever else holds the port is named and left alone.',
    examples: ['kmi stop', 'kmi stop -f'],
    exitCodes: [
      [0, 'no proxy of ours runs any more'],
      [1, 'what runs there may not be signalled'],
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
    details: `Applies changed settings. Stops the proxy as \`kmi stop\` does and starts it as \`kmi start\` does. Settings it could not start with leave the old proxy running.

In another folder than the one the proxy was started in, other settings may be in force. They are named. A restart that would change the mode, the keys, the upstream, the address or the token for that reason is refused; --here permits it.`,
    examples: ['kmi restart', 'kmi restart --here'],
    exitCodes: [
      [0, 'it runs'],
      [1, 'refused, not stopped, or not started again'],
      [2, 'wrong usage'],
    ],
    options: [
      ...STOP_OPTIONS,
      { flags: '--here', help: 'apply the settings in force here to a proxy that was started in another folder' },
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
