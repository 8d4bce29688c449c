import { type CommandRow, HERE_OPTION, STRATEGY_OPTION } from '../../command/command-row.ts';

export const INIT: CommandRow = {
  name: 'init',
  group: 'Set up',
  summary: 'set kmi up: folders, an account, live or dry-run, rotation',
  details: `Asks for what it needs. The account comes by the login that Kimi Code has on this machine, by a login of its own (\`kmi login\`), or by an API key. kmi does not show the key while you type or paste it, tests it with one call to /usages, and writes it to an .env file that only you can read. Run it again to change something; the rest stays as it is.

Keys go into \`~/.kmi/_auths\` and settings into \`~/.kmi/.env\`, which count in every folder. A folder with keys in its own \`_auths\`, or with KMI_ variables in its own \`.env\`, uses those instead; --here makes them. KMI_AUTHS_DIR and KMI_ENV_PATH name other places.

For coding agents, choose the strategy sticky: the prompt cache belongs to the account.

In a script, use flags and standard input. Without a flag, a value stays as it is. With --yes, kmi asks nothing.`,
  examples: [
    'kmi init',
    'pass show kimi | kmi init --key-stdin --label work --live --yes',
    'kmi init --auto-rotate --strategy sticky --yes',
  ],
  exitCodes: [
    [0, 'there is a key or a login, and everything is saved'],
    [1, 'there is none, or it was refused'],
    [2, 'wrong usage or unusable settings'],
    [130, 'interrupted; run it again to go on'],
  ],
  options: [
    { flags: '--key-stdin', help: 'read a key from standard input' },
    { flags: '--label <name>', help: 'label of the key or login' },
    { flags: '--base-url <url>', help: "the key's upstream, when it is not KMI_UPSTREAM_BASE_URL" },
    { flags: '--no-test', help: 'do not test the key' },
    { flags: '--live', help: 'send requests to the upstream: KMI_DRY_RUN=0' },
    { flags: '--dry-run', help: 'simulate them: KMI_DRY_RUN=1' },
    { flags: '--auto-rotate', help: 'turn auto-rotation on, and allow it: KMI_AUTO_ROTATE_ALLOWED=1' },
    { flags: '--no-auto-rotate', help: 'turn auto-rotation off' },
    STRATEGY_OPTION,
    HERE_OPTION,
    { flags: '-y, --yes', help: 'ask nothing' },
  ],
  load: () => import('./run.ts'),
};
