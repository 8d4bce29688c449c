import { type CommandRow, JSON_OPTION } from '../../command/command-row.ts';

/** `kmi keys` and `kmi keys list` are one command under two names. */
const LISTS = {
  exitCodes: [
    [0, 'there are keys'],
    [1, 'there are none'],
  ],
  options: [JSON_OPTION],
  withoutSettings: true,
  withoutToken: true,
  settingsOf: 'keys',
  load: () => import('./run.ts'),
} as const satisfies Partial<CommandRow>;

export const KEYS: CommandRow = {
  name: 'keys',
  group: 'Set up',
  summary: 'list the keys; subcommands add, remove, test and change them',
  details:
    'Each key is a file in the auths folder (KMI_AUTHS_DIR). A running proxy picks up a change within a second. No command prints a key: lists show its first and last 4 characters, JSON shows the start of its hash.',
  examples: ['kmi keys', 'kmi keys add work', 'kmi keys test'],
  ...LISTS,
};

export const KEYS_LIST: CommandRow = {
  name: 'keys list',
  aliases: ['keys ls'],
  summary: 'list the keys, and the auth files without a usable key',
  details: 'Sends nothing: the state is what the proxy remembers. `kmi health` asks the upstream for the quota.',
  examples: ['kmi keys list', 'kmi keys list --json | jq -r ".keys[].label"'],
  ...LISTS,
};
