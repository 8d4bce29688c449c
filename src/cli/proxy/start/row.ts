import { type CommandRow, JSON_OPTION } from '../../command/command-row.ts';

export const PROXY: CommandRow = {
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
  load: () => import('./run.ts'),
};
