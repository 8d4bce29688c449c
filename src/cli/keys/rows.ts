import { type CommandRow, HERE_OPTION, JSON_OPTION, STRATEGY_OPTION, YES_OPTION } from '../command/command-row.ts';

export const INIT_COMMAND: CommandRow = {
  name: 'init',
  group: 'Set up',
  summary: 'set kmi up: folders, the first key, live or dry-run, rotation',
  details: `Asks for what it needs. kmi does not show the key while you type or paste it, tests it with one call to /usages, and writes it to an .env file that only you can read. Run it again to change something; the rest stays as it is.

Keys go into \`~/.kmi/_auths\` and settings into \`~/.kmi/.env\`, which count in every folder. A folder with keys in its own \`_auths\`, or with KMI_ variables in its own \`.env\`, uses those instead; --here makes them. KMI_AUTHS_DIR and KMI_ENV_PATH name other places.

For coding agents, choose the strategy sticky: the prompt cache belongs to the account.

In a script, use flags and standard input. Without a flag, a value stays as it is. With --yes, kmi asks nothing.`,
  examples: [
    'kmi init',
    'pass show kimi | kmi init --key-stdin --label work --live --yes',
    'kmi init --auto-rotate --strategy sticky --yes',
  ],
  exitCodes: [
    [0, 'there is a key, and everything is saved'],
    [1, 'there is no key, or it was refused'],
    [2, 'wrong usage or unusable settings'],
    [130, 'interrupted; run it again to go on'],
  ],
  options: [
    { flags: '--key-stdin', help: 'read a key from standard input' },
    { flags: '--label <name>', help: 'label of the key' },
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
  load: () => import('../setup/init/run.ts'),
};

export const UP_COMMAND: CommandRow = {
  name: 'up',
  group: 'Set up',
  summary: 'add a key if there is none, start the proxy, say how to use it',
  details: `If there is no key, asks for one, as \`kmi init\` does. If no proxy runs, starts it in the background. Then prints how to point a client at it.

Without a terminal it asks nothing. If there is no key, it exits and names the command that reads one from standard input.`,
  examples: ['kmi up'],
  exitCodes: [
    [0, 'the proxy runs'],
    [1, 'there is no key, or the proxy did not start'],
    [130, 'interrupted at a question'],
  ],
  load: () => import('../setup/up/run.ts'),
};

const LIST_EXIT_CODES = [
  [0, 'there are keys'],
  [1, 'there are none'],
] as const;

export const KEY_COMMANDS: readonly CommandRow[] = [
  {
    name: 'keys',
    group: 'Set up',
    summary: 'list the keys; subcommands add, remove, test and change them',
    details:
      'Each key is a file in the auths folder (KMI_AUTHS_DIR). A running proxy picks up a change within a second. No command prints a key: lists show its first and last 4 characters, JSON shows the start of its hash.',
    examples: ['kmi keys', 'kmi keys add work', 'kmi keys test'],
    exitCodes: LIST_EXIT_CODES,
    options: [JSON_OPTION],
    withoutSettings: true,
    withoutToken: true,
    settingsOf: 'keys',
    load: () => import('./list/run.ts'),
  },
  {
    name: 'keys list',
    aliases: ['keys ls'],
    summary: 'list the keys, and the auth files without a usable key',
    details: 'Sends nothing: the state is what the proxy remembers. `kmi health` asks the upstream for the quota.',
    examples: ['kmi keys list', 'kmi keys list --json | jq -r ".keys[].label"'],
    exitCodes: LIST_EXIT_CODES,
    options: [JSON_OPTION],
    withoutSettings: true,
    withoutToken: true,
    settingsOf: 'keys',
    load: () => import('./list/run.ts'),
  },
  {
    name: 'keys add',
    args: '[name]',
    summary: 'add a key, from a hidden prompt or standard input',
    details: `Never give the key as an argument: every program on the machine can see it, and your shell history keeps it.

kmi tests the key with one call to /usages, also in dry-run. It does not add a key that the upstream refuses, or one that is there already. The key goes into <name>.env in the auths folder, which only you can read: \`~/.kmi/_auths\`, or the \`_auths\` of this folder if it has keys.`,
    examples: ['kmi keys add', 'kmi keys add work --priority 10', 'pass show kimi | kmi keys add work'],
    exitCodes: [
      [0, 'added'],
      [1, 'not added: refused, not tested, or there already'],
      [2, 'wrong usage'],
      [130, 'interrupted; nothing was added'],
    ],
    options: [
      { flags: '--base-url <url>', help: "the key's upstream, when it is not KMI_UPSTREAM_BASE_URL" },
      { flags: '--email <address>', help: 'the account, for display' },
      { flags: '--priority <number>', help: 'keys with a higher priority come first; default 0' },
      { flags: '--weight <number>', help: 'share of the key under the strategy weighted: 1 to 1000; default 100' },
      { flags: '--no-test', help: 'do not test the key' },
      HERE_OPTION,
      { flags: '--key <key>', help: 'refused, with advice', hidden: true },
    ],
    withoutToken: true,
    settingsOf: 'keys',
    load: () => import('./add/run.ts'),
  },
  {
    name: 'keys remove',
    aliases: ['keys rm'],
    args: '<label...>',
    summary: 'remove keys',
    details:
      'Asks first. Renames the file to <file>.removed-<time>, which kmi does not read. Kimi shows a key only once, so rename the file back to undo it. --purge deletes the file. If a file has several providers, all of them go.',
    examples: ['kmi keys remove work', 'kmi keys remove old spare --yes', 'kmi keys remove work --purge'],
    exitCodes: [
      [0, 'removed'],
      [1, 'declined, no such key, or another file holds the same key'],
      [2, 'wrong usage, or no terminal and no --yes'],
    ],
    options: [YES_OPTION, { flags: '--purge', help: 'delete the file for good' }],
    withoutToken: true,
    settingsOf: 'keys',
    load: () => import('./remove/run.ts'),
  },
  {
    name: 'keys disable',
    args: '<label...>',
    summary: 'disable keys without removing them',
    details:
      'Sets KMI_KEY_DISABLED=1 in the .env file of the key, and changes no other line. kmi cannot disable a key from a .toml or .json file: move it to an .env file.',
    examples: ['kmi keys disable work'],
    withoutToken: true,
    settingsOf: 'keys',
    load: () => import('./disable/run.ts'),
  },
  {
    name: 'keys enable',
    args: '<label...>',
    summary: 'enable keys again',
    details: 'Sets KMI_KEY_DISABLED=0 in the .env file of the key, and changes no other line.',
    examples: ['kmi keys enable work', 'kmi keys enable work spare'],
    withoutToken: true,
    settingsOf: 'keys',
    load: () => import('./enable/run.ts'),
  },
  {
    name: 'keys rename',
    args: '<label> <name>',
    summary: 'give a key another label',
    details:
      'Sets KMI_KEY_LABEL in the .env file of the key; the file keeps its name. The key keeps its counters, cooldown and block, and stays active if it was. Older lines of trace and log keep the old label.',
    examples: ['kmi keys rename key-2 work'],
    withoutToken: true,
    settingsOf: 'keys',
    load: () => import('./rename/run.ts'),
  },
  {
    name: 'keys test',
    args: '[label...]',
    summary: 'test keys with one real call each',
    details: `Calls /usages, also in dry-run and for disabled keys, and says what came back. If a key has quota again, its cooldown ends; \`kmi doctor --recheck-keys\` also unblocks keys that answer.

/usages proves that the upstream knows the key. Whether a client may chat with it also depends on the client.`,
    examples: ['kmi keys test', 'kmi keys test work', 'kmi keys test --json'],
    exitCodes: [
      [0, 'every key asked about works'],
      [1, 'a key was refused, got no usable answer, or does not exist'],
    ],
    options: [JSON_OPTION],
    withoutToken: true,
    settingsOf: 'keys',
    load: () => import('./test/run.ts'),
  },
];

/** `rows`: the whole catalogue, which is being made when this is called. */
export const completionCommand = (rows: () => readonly CommandRow[]): CommandRow => ({
  name: 'completion',
  group: 'Set up',
  args: '[bash|zsh|fish]',
  summary: 'print the script that completes kmi in a shell',
  details: `Completes commands, options and the labels of your keys. Without a name, kmi prints the script for the shell in $SHELL.

  bash   add to ~/.bashrc:   source <(kmi completion bash)
  zsh    add to ~/.zshrc:    source <(kmi completion zsh)
  fish   once:               kmi completion fish >
                               ~/.config/fish/completions/kmi.fish`,
  examples: ['source <(kmi completion bash)', 'kmi completion fish | source'],
  options: [
    { flags: '--labels', help: 'the labels of the keys, one a line', hidden: true },
    { flags: '--requests', help: 'what names the newest requests, one a line', hidden: true },
  ],
  withoutToken: true,
  load: async () => ({ run: (await import('../setup/completion/run.ts')).completionOf(rows()) }),
});
