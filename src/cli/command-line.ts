import { Command as Commander, CommanderError, Option } from 'commander';
import { KmiError } from '../errors.ts';
import { VERSION } from '../version.ts';
import type { CommandRow } from './command/command-row.ts';
import type { OutputFlags } from './command/context.ts';
import { COMMANDS } from './commands.ts';
import { renderHelpText } from './help-text.ts';
import { splitPassThrough } from './pass-through.ts';
import { wrapToWidth } from './ui/width.ts';

export type Execute = (row: CommandRow, options: Record<string, unknown>, flags: OutputFlags) => Promise<number>;

/** What commander refuses, and at which command: '' for `kmi` itself. */
class Refusal extends Error {
  readonly place: string;
  readonly problem: CommanderError;

  constructor(place: string, problem: CommanderError) {
    super(problem.message);
    this.place = place;
    this.problem = problem;
  }
}

/** Help and version end the parser as errors do. */
const endAt = (place: string) => (problem: CommanderError) => {
  throw problem.exitCode === 0 ? problem : new Refusal(place, problem);
};

/** Reads a command line, has the command executed and answers its exit code; help is printed here. Throws `bad_usage`. */
export async function runCommandLine(args: readonly string[], execute: Execute): Promise<number> {
  let exitCode = 0;
  const split = splitPassThrough(args);
  const program = buildProgram(isOverview(args) ? OVERVIEW : rowsFor(args[0]), async (row, options, flags) => {
    exitCode = await execute(row, split === null ? options : { ...options, args: split.passed }, flags);
  });
  try {
    if (args.length === 0) {
      program.outputHelp();
      return 0;
    }
    await program.parseAsync([...(split?.own ?? (await helpArguments(args)))], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    if (error instanceof Refusal) throw (await wrongUsage()).fromCommander(error.problem, error.place, args);
    throw error;
  }
}

/** Loaded only when something is wrong. */
const wrongUsage = () => import('./wrong-usage.ts');

/** `kmi help keys add` means `kmi keys add --help`; commander's own help knows the first word only, and no unknown one. */
async function helpArguments(args: readonly string[]): Promise<readonly string[]> {
  const words = args.filter((arg) => !arg.startsWith('-'));
  const [first, ...rest] = words;
  const [command, ...more] = rest;
  if (first !== 'help' || command === undefined || command === 'help') return args;
  if (!COMMANDS.some(({ name }) => name === command)) throw (await wrongUsage()).unknownWord('', rest);
  if (more.length === 0) return words;
  const name = rest.find((_, index) => !COMMANDS.some((row) => row.name === rest.slice(0, index + 1).join(' ')));
  if (name !== undefined) throw (await wrongUsage()).unknownWord(command, [name]);
  return [...rest, '--help'];
}

const OUTPUT_OPTIONS = [
  { flags: '--plain', help: 'plain output: no colour, no box drawing' },
  { flags: '--no-color', help: 'no colour' },
] as const;

/** Asks for the list of commands and nothing else: `kmi --help`. */
function isOverview(args: readonly string[]): boolean {
  return args.length === 0 || (args.length === 1 && ['--help', '-h', 'help'].includes(args[0] as string));
}

/** What that list shows of each command. Setting up all of their options took a tenth of `--help` (`npm run bench:cli`). */
const OVERVIEW: readonly CommandRow[] = COMMANDS.filter(({ name }) => !name.includes(' ')).map(
  ({ name, group, summary, load }) => ({
    ...{ name, summary, examples: [], load },
    ...(group === undefined ? {} : { group }),
  }),
);

type Action = (row: CommandRow, options: Record<string, unknown>, flags: OutputFlags) => Promise<void>;

/** The rows a command line can mean: those of the command it begins with, else all. Each takes a while to be set up. */
function rowsFor(first: string | undefined): readonly CommandRow[] {
  const meant = COMMANDS.filter(({ name }) => name === first || name.startsWith(`${first} `));
  return meant.length > 0 ? meant : COMMANDS;
}

/** The parser, made from the catalogue. */
function buildProgram(rows: readonly CommandRow[], executeRow: Action): Commander {
  const program = new Commander('kmi')
    .description('Rotate Kimi API keys and proxy requests to the Kimi API.')
    .version(VERSION, '-v, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .configureHelp({ showGlobalOptions: false, subcommandTerm: (command) => command.name() })
    // What is wrong is said by us, with an example.
    .configureOutput({ outputError: () => undefined })
    // `kmi init --auto-rotate` is an option of init, not the mode.
    .enablePositionalOptions()
    .exitOverride(endAt(''));
  for (const { flags, help } of OUTPUT_OPTIONS) program.option(flags, help);
  const help = new Commander('help').argument('[command...]').description('show help for a command').helpGroup('Set up:');
  program.addHelpCommand(help.helpOption(false));

  for (const row of rows) addCommand(program, row, executeRow);
  addRootModes(program, executeRow);
  program.addHelpText('after', () => `\n${closingLines(process.stdout.columns ?? 80).join('\n')}`);
  return program;
}

function closingLines(columns: number): readonly string[] {
  const forms = COMMANDS.flatMap(({ rootFlag }) => (rootFlag === undefined ? [] : [rootFlag]));
  return [
    ...wrapToWidth(
      'Settings come from the environment and .env: `kmi config --all` shows them, `kmi config set` changes one.',
      columns,
    ),
    ...wrapToWidth(`Older forms: ${forms.join(', ')}; each means the command of that name.`, columns),
  ];
}

function addCommand(program: Commander, row: CommandRow, executeRow: Action): void {
  const [first, second] = row.name.split(' ') as [string, string?];
  const parent = second === undefined ? program : (program.commands.find((command) => command.name() === first) as Commander);
  const command = parent
    .command(second ?? first)
    .description(row.summary)
    .exitOverride(endAt(row.name));
  if (row.group !== undefined) command.helpGroup(`${row.group}:`);
  if (row.args !== undefined) command.arguments(row.args);
  // What is too many may be a mistyped subcommand, which deserves better words than a count.
  command.allowExcessArguments();
  for (const { flags, help, default: fallback, hidden = false } of row.options ?? []) {
    command.addOption(new Option(flags, help).default(fallback).hideHelp(hidden));
  }
  // They may stand before the command or after it.
  for (const { flags, help } of OUTPUT_OPTIONS) command.addOption(new Option(flags, help).hideHelp());
  command.addHelpText('after', () => renderHelpText(row, process.stdout.columns ?? 80));
  command.action(async (...parts: unknown[]) => {
    // Commander hands over the arguments, the options and the command itself.
    const self = parts.at(-1) as Commander;
    const args = parts.slice(0, -2);
    const room = command.registeredArguments.some(({ variadic }) => variadic) ? Number.POSITIVE_INFINITY : args.length;
    if (row.args === undefined && self.args.length > 0) throw (await wrongUsage()).unknownWord(row.name, self.args);
    if (self.args.length > room) throw (await wrongUsage()).excessWords(row.name, self.args.slice(room));
    refuseModesBeside(program, row.name);
    const { plain: _plain, color: _color, ...options } = self.opts<OutputFlags & Record<string, unknown>>();
    await executeRow(row, { ...options, args }, outputFlags(self));
  });
}

/** They may stand behind any word of the command. */
function outputFlags(command: Commander): OutputFlags {
  const before = command.parent === null ? {} : outputFlags(command.parent);
  const { plain, color } = command.opts<OutputFlags>();
  return { plain: before.plain === true || plain === true, color: before.color !== false && color !== false };
}

/** Root flags that stand for a command: `kmi --status`. */
function addRootModes(program: Commander, executeRow: Action): void {
  for (const row of COMMANDS) {
    for (const flag of [row.rootFlag, row.rootFlagAlias]) {
      if (flag !== undefined) program.addOption(new Option(flag).hideHelp());
    }
  }
  program.allowExcessArguments().action(async () => {
    if (program.args.length > 0) throw (await wrongUsage()).unknownWord('', program.args);
    const modes = chosenModes(program);
    const [row] = modes;
    if (row === undefined) {
      program.outputHelp();
      return;
    }
    if (modes.length > 1) {
      throw new KmiError('bad_usage', `Only one mode at a time: ${modes.map(({ rootFlag }) => rootFlag).join(', ')}.`);
    }
    await executeRow(row, { args: [] }, program.opts());
  });
}

function chosenModes(program: Commander): CommandRow[] {
  const values = program.opts<Record<string, unknown>>();
  return COMMANDS.filter((row) =>
    [row.rootFlag, row.rootFlagAlias].some((flag) => flag !== undefined && values[new Option(flag).attributeName()] === true),
  );
}

function refuseModesBeside(program: Commander, name: string): void {
  const [mode] = chosenModes(program);
  if (mode !== undefined) {
    throw new KmiError(
      'bad_usage',
      `${mode.rootFlag} means \`kmi ${mode.name}\` and cannot stand beside the command \`${name}\`.`,
    );
  }
}
