import { COMMANDS } from './commands/catalogue.ts';
import type { CommandRow } from './commands/command-row.ts';
import type { Command, CommandContext, OutputFlags } from './commands/context.ts';
import { KmiError, reasonOf } from './errors.ts';

/** Runs a command line and answers its exit code. Known errors become one line and a hint on standard error. */
export async function main(args: readonly string[]): Promise<number> {
  // A reader that leaves early (`| head`) is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  try {
    const row = bareCommand(args);
    if (row !== null) return await execute(row, { args: [] }, {});
    const { runCommandLine } = await import('./command-line.ts');
    return await runCommandLine(args, execute);
  } catch (error) {
    return report(error);
  }
}

/**
 * The command a line names without anything else, such as `kmi status`, when its options have no defaults: there is
 * nothing to parse then, and the parser takes longer to load than such a command to run.
 */
function bareCommand(args: readonly string[]): CommandRow | null {
  const row = COMMANDS.find(({ name }) => name === args.join(' '));
  if (row === undefined || row.args !== undefined || row.passesThrough !== undefined) return null;
  const hasDefaults = row.options?.some((option) => option.default !== undefined || option.flags.includes('--no-'));
  return hasDefaults === true ? null : row;
}

async function execute(row: CommandRow, options: Record<string, unknown>, flags: OutputFlags): Promise<number> {
  const [{ loadConfig }, { createContext }, { run }] = await Promise.all([
    import('./config/load.ts'),
    import('./commands/context.ts'),
    row.load(),
  ]);
  const context = await contextOf(row, createContext(loadConfig(), flags));
  return (run as Command<Record<string, unknown>>)(context, options);
}

/** A command that speaks of the proxy goes by the settings of the one that runs, wherever it is run itself. */
async function contextOf({ settingsOf }: CommandRow, context: CommandContext): Promise<CommandContext> {
  if (settingsOf === undefined) return context;
  const { atKeys, ofRunningProxy } = await import('./commands/running-proxy.ts');
  return settingsOf === 'keys' ? atKeys(context) : ofRunningProxy(context);
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
