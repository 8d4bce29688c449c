import { Command as Commander, CommanderError, Option } from 'commander';
import { VERSION } from '../version.ts';
import type { CommandRow } from './command/command-row.ts';
import type { OutputFlags } from './command/context.ts';
import { COMMANDS } from './commands.ts';
import { renderHelpText } from './help-text.ts';
import { splitPassThrough } from './pass-through.ts';
import { similarWord } from './similar-word.ts';

const BAD_USAGE = 2;

export type Execute = (row: CommandRow, options: Record<string, unknown>, flags: OutputFlags) => Promise<number>;

/** Reads a command line, has the command executed and answers its exit code; help and usage errors are printed here. */
export async function runCommandLine(args: readonly string[], execute: Execute): Promise<number> {
  let exitCode = 0;
  const split = splitPassThrough(args);
  const program = buildProgram(rowsFor(args[0]), async (row, options, flags) => {
    exitCode = await execute(row, split === null ? options : { ...options, args: split.passed }, flags);
  });
  try {
    if (args.length === 0) {
      program.outputHelp();
      return 0;
    }
    await program.parseAsync([...(split?.own ?? helpArguments(args))], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : BAD_USAGE;
    throw error;
  }
}

/** `kmi help keys add` means `kmi keys add --help`; commander's own help knows the first word only. */
function helpArguments(args: readonly string[]): readonly string[] {
  const [first, ...rest] = args;
  return first === 'help' && COMMANDS.some(({ name }) => name === rest.join(' ') && rest.length > 1) ? [...rest, '--help'] : args;
}

const OUTPUT_OPTIONS = [
  { flags: '--plain', help: 'plain output: no colour, no box drawing' },
  { flags: '--no-color', help: 'no colour' },
] as const;

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
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .configureHelp({ showGlobalOptions: false, subcommandTerm: (command) => command.name() })
    .showSuggestionAfterError()
    // `kmi init --auto-rotate` is an option of init, not the mode.
    .enablePositionalOptions()
    .exitOverride();
  for (const { flags, help } of OUTPUT_OPTIONS) program.option(flags, help);
  const help = new Commander('help').argument('[command...]').description('show help for a command').helpGroup('Set up:');
  program.addHelpCommand(help.helpOption(false));

  for (const row of rows) addCommand(program, row, executeRow);
  addRootModes(program, executeRow);
  program.addHelpText('after', '\nSettings come from the environment and .env; `kmi config --all` shows them.');
  return program;
}

function addCommand(program: Commander, row: CommandRow, executeRow: Action): void {
  const [first, second] = row.name.split(' ') as [string, string?];
  const parent = second === undefined ? program : (program.commands.find((command) => command.name() === first) as Commander);
  const command = parent
    .command(second ?? first)
    .description(row.summary)
    .exitOverride();
  if (row.group !== undefined) command.helpGroup(`${row.group}:`);
  if (row.args !== undefined) command.arguments(row.args);
  // What is too many may be a mistyped subcommand, which deserves better words than a count.
  else command.allowExcessArguments();
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
    if (row.args === undefined && self.args.length > 0) refuseArguments(self, row.name);
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

/** Does not repeat what was typed: it may be a key. */
function refuseArguments(command: Commander, name: string): never {
  const words = command.commands.map((subcommand) => subcommand.name());
  const place = name === '' ? 'kmi' : `kmi ${name}`;
  if (words.length === 0) command.error(`error: \`${place}\` takes no arguments; see \`${place} --help\``);
  const meant = similarWord(command.args[0] ?? '', words);
  const advice = meant === null ? `see \`${place} --help\`` : `did you mean \`${place} ${meant}\`?`;
  command.error(`error: \`${place}\` has no such ${name === '' ? 'command' : 'subcommand'}; ${advice}`);
}

/** Root flags that stand for a command: `kmi --status`. */
function addRootModes(program: Commander, executeRow: Action): void {
  for (const row of COMMANDS) {
    for (const flag of [row.rootFlag, row.rootFlagAlias]) {
      if (flag !== undefined)
        program.addOption(
          new Option(flag, `the same as \`kmi ${row.name}\``).helpGroup('Short forms:').hideHelp(flag === row.rootFlagAlias),
        );
    }
  }
  program.allowExcessArguments().action(async () => {
    if (program.args.length > 0) refuseArguments(program, '');
    const modes = chosenModes(program);
    const [row] = modes;
    if (row === undefined) {
      program.outputHelp();
      return;
    }
    if (modes.length > 1) program.error(`error: only one mode at a time: ${modes.map(({ rootFlag }) => rootFlag).join(', ')}`);
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
  if (mode !== undefined) program.error(`error: ${mode.rootFlag} cannot stand beside the command \`${name}\``);
}
