import { commandBehind } from './command-prefixes.ts';

/** Clients that have settings of their own which go before the environment, so that variables alone do not lead them here. */
export type KnownClient = 'claude' | 'codex' | 'opencode' | 'kimi';

export type ClientCall = {
  readonly client: KnownClient;
  /** From here on the arguments are the client's own. */
  readonly at: number;
};

const PACKAGES: readonly (readonly [KnownClient, RegExp])[] = [
  ['claude', /^@anthropic-ai\/claude-code(@|$)/],
  ['codex', /^@openai\/codex(@|$)/],
  ['opencode', /^opencode-ai(@|$)/],
  ['kimi', /^@moonshot-ai\/kimi-code(@|$)/],
];

/** Programs that fetch a package and run it. */
const RUNNERS = new Set(['npx', 'bunx', 'pnpx', 'npm', 'pnpm', 'yarn', 'bun']);

/**
 * Which client a command line starts: by its name, wherever it lies, or by its package behind `npx` and the like; also behind
 * `env`, `sudo`, `timeout` and others that run the command they are given.
 */
export function recognizeClient(program: string, args: readonly string[]): ClientCall | null {
  const name = nameOf(program);
  if (name === 'claude' || name === 'codex' || name === 'opencode' || name === 'kimi') return { client: name, at: 0 };
  const behind = commandBehind(name, args);
  if (behind !== null) {
    const call = recognizeClient(args[behind] ?? '', args.slice(behind + 1));
    return call === null ? null : { client: call.client, at: behind + 1 + call.at };
  }
  if (!RUNNERS.has(name)) return null;
  for (const [index, arg] of args.entries()) {
    const found = PACKAGES.find(([, pattern]) => pattern.test(arg));
    // `npm exec <package> -- <arguments>`
    if (found !== undefined) return { client: found[0], at: index + (args[index + 1] === '--' ? 2 : 1) };
  }
  return null;
}

function nameOf(program: string): string {
  return (program.split(/[\\/]/).at(-1) ?? '').toLowerCase().replace(/\.(exe|cmd|bat|ps1)$/, '');
}

/** First words by which these clients do something else than chat. */
const NO_CHAT = new Set(
  'login logout auth mcp doctor update upgrade install uninstall config provider plugin completion help version setup-token'.split(
    ' ',
  ),
);

/** Whether a call is to end in chats, as far as its arguments tell. */
export function isForChats(args: readonly string[]): boolean {
  if (args.some((arg) => ['--version', '-v', '-V', '--help', '-h'].includes(arg))) return false;
  return !NO_CHAT.has(args.find((arg) => !arg.startsWith('-')) ?? '');
}
