import { type CommandRow, HERE_OPTION } from '../../command/command-row.ts';

export const KEYS_ADD: CommandRow = {
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
  load: () => import('./run.ts'),
};
