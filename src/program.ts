import { Command as Commander, CommanderError, Option } from 'commander';
import { COMMANDS, type CommandRow } from './commands/catalogue.ts';
import type { Command, OutputFlags } from './commands/context.ts';
import { splitPassThrough } from './commands/pass-through.ts';
import { KmiError, reasonOf } from './errors.ts';
import { VERSION } from './version.ts';

const BAD_USAGE = 2;

/** Runs a command line and answers its exit code. Known errors become one line and a hint on standard error. */
export async function main(args: readonly string[]): Promise<number> {
  let exitCode = 0;
  const split = splitPassThrough(args);
  const program = buildProgram(async (row, options, flags) => {
    exitCode = await execute(row, split === null ? options : { ...options, args: split.passed }, flags);
  });
  try {
    if (args.length === 0) {
      program.outputHelp();
      return 0;
    }
    await program.parseAsync([...(split?.own ?? args)], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : BAD_USAGE;
    return report(error);
  }
}

async function execute(row: CommandRow, options: Record<string, unknown>, flags: OutputFlags): Promise<number> {
  const [{ loadConfig }, { createContext }, { run }] = await Promise.all([
    import('./config/load.ts'),
    import('./commands/context.ts'),
    row.load(),
  ]);
  const context = createContext(loadConfig(), flags);
  return (run as Command<Record<string, unknown>>)(context, options);
}

type Execute = (row: CommandRow, options: Record<string, unknown>, flags: OutputFlags) => Promise<void>;

/** The parser, made from the catalogue. */
export function buildProgram(executeRow: Execute): Commander {
  const program = new Commander('kmi')
    .description('Rotate Kimi API keys and proxy requests to the Kimi API.')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .option('--plain', 'plain output: no colour, no box drawing')
    .option('--no-color', 'no colour')
    .configureHelp({ showGlobalOptions: false })
    .showSuggestionAfterError()
    .exitOverride();
  program.helpCommand('help [command]', 'show help for a command');

  for (const row of COMMANDS) addCommand(program, row, executeRow);
  addRootModes(program, executeRow);
  program.addHelpText('after', '\nSettings come from the environment and .env; `kmi config` shows them all.');
  return program;
}

function addCommand(program: Commander, row: CommandRow, executeRow: Execute): void {
  const [first, second] = row.name.split(' ') as [string, string?];
  const parent = second === undefined ? program : (program.commands.find((command) => command.name() === first) as Commander);
  const command = parent
    .command(second ?? first)
    .description(row.summary)
    .exitOverride();
  if (row.args !== undefined) command.arguments(row.args);
  for (const option of row.options ?? [])
    command.option(option.flags, option.help, option.default as string | boolean | undefined);
  const details = row.details === undefined ? '' : `\n${row.details}\n`;
  command.addHelpText('after', `${details}\nExamples:\n${row.examples.map((example) => `  $ ${example}`).join('\n')}`);
  command.action(async (...parts: unknown[]) => {
    // Commander hands over the arguments, the options and the command itself.
    const self = parts.at(-1) as Commander;
    const args = parts.slice(0, -2);
    refuseModesBeside(program, row.name);
    await executeRow(row, { ...self.opts(), args }, program.opts());
  });
}

/** Root flags that stand for a command: `kmi --status`. */
function addRootModes(program: Commander, executeRow: Execute): void {
  for (const row of COMMANDS) {
    for (const flag of [row.rootFlag, row.rootFlagAlias]) {
      if (flag !== undefined)
        program.addOption(new Option(flag, `the same as \`kmi ${row.name}\``).hideHelp(flag === row.rootFlagAlias));
    }
  }
  program.action(async () => {
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

function report(error: unknown): number {
  if (error instanceof KmiError) {
    process.stderr.write(`kmi: ${error.message}\n     ${error.hint}\n`);
    return error.exitCode;
  }
  process.stderr.write(`kmi: something unexpected went wrong: ${reasonOf(error)}\n`);
  if (process.env.KMI_DEBUG === '1' && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return 1;
}
