import { type CommandRow, JSON_OPTION } from '../../command/command-row.ts';

export const KEYS_TEST: CommandRow = {
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
  load: () => import('./run.ts'),
};
