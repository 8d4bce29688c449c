import type { Command } from './context.ts';

export type OptionRow = {
  /** As commander reads it: "-n, --lines <count>". */
  readonly flags: string;
  readonly help: string;
  readonly default?: string | boolean;
};

/** One command: from its row come the parser, `--help`, the README's table and shell completion. */
export type CommandRow = {
  /** Words after `kmi`: "rotate auto". */
  readonly name: string;
  readonly args?: string;
  readonly summary: string;
  /** Further lines of `--help`: behaviour worth knowing. */
  readonly details?: string;
  readonly examples: readonly string[];
  readonly options?: readonly OptionRow[];
  /** Its twin among the root flags: "--status". */
  readonly rootFlag?: string;
  /** A further spelling of the root flag. */
  readonly rootFlagAlias?: string;
  readonly load: () => Promise<{ readonly run: Command<never> }>;
};

const JSON_OPTION: OptionRow = { flags: '--json', help: 'data for scripts: one JSON value on standard output, nothing else' };

/** Every command, in the order `kmi --help` lists them. */
export const COMMANDS: readonly CommandRow[] = [
  {
    name: 'proxy',
    summary: 'serve the proxy that clients are pointed at',
    examples: ['kmi proxy --foreground'],
    options: [
      { flags: '--foreground', help: 'stay in this terminal until Ctrl+C' },
      { flags: '--simulate-without-keys', help: 'when there are no keys, serve a simulated upstream instead of failing' },
    ],
    load: () => import('./proxy.ts'),
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
    examples: ['kmi doctor', 'kmi doctor --json'],
    options: [JSON_OPTION],
    load: () => import('./doctor.ts'),
  },
  {
    name: 'config',
    summary: 'show every setting, its value and where it came from',
    examples: ['kmi config', 'kmi config --json'],
    options: [JSON_OPTION],
    load: () => import('./config.ts'),
  },
  {
    name: 'demo',
    summary: 'watch the proxy carry chats over a limit, with simulated accounts',
    examples: ['kmi demo'],
    load: () => import('./demo.ts'),
  },
];
