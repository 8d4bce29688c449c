import { dirname } from 'node:path';
import { ERRORS, KmiError, reasonOf } from '../errors.ts';
import type { CommandRow } from './command/command-row.ts';
import type { Command, CommandContext, OutputFlags } from './command/context.ts';
import { COMMANDS } from './commands.ts';
import { inOwnWords } from './spellings.ts';

/** Runs a command line and answers its exit code. Known errors become one line and a hint on standard error. */
export async function main(given: readonly string[]): Promise<number> {
  const args = inOwnWords(given);
  // A reader that leaves early (`| head`) is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  try {
    const row = args.length === 0 && process.stdout.isTTY === true ? HOME_ROW : bareCommand(args);
    if (row !== null) return await execute(row, { args: [] }, {});
    const { runCommandLine } = await import('./command-line.ts');
    return await runCommandLine(args, execute);
  } catch (error) {
    return await report(error);
  }
}

/** `kmi` alone: a person at a terminal wants to know how things are. A script, or a pipe, gets the help. */
const HOME_ROW: CommandRow = {
  name: '',
  summary: '',
  examples: [],
  withoutSettings: true,
  withoutToken: true,
  settingsOf: 'proxy',
  load: () => import('./views/home/run.ts'),
};

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
  const [{ loadConfig, examineConfig }, { createContext }, { closeStateFolder, nameObstacle }, { run }] = await Promise.all([
    import('../config/load.ts'),
    import('./command/context.ts'),
    import('./command/state-folder.ts'),
    row.load(),
  ]);
  const given = createContext(row.mendsSettings === true ? examineConfig().loaded : loadConfig(), flags);
  const { loaded, cwdProblem, cwd, err } = given;
  let { config } = given;
  if (cwdProblem !== null) err(`kmi: the folder you are in ${cwdProblem}; kmi goes on as if it were called in ${cwd}.`);
  if (loaded.settingsProblem !== null) goOnWithout(loaded.settingsProblem, row, given);
  if (config.enforceFilePerms && row.onlyLooks !== true) closeStateFolder(config.stateDir, given.home);
  if (loaded.tokenProblem !== null && row.withoutToken !== true) throw loaded.tokenProblem;
  try {
    const context = await contextOf(row, given);
    config = context.config;
    return await (run as Command<Record<string, unknown>>)(context, options);
  } catch (error) {
    throw nameObstacle(await withOwnHelp(error, row), config);
  }
}

/** Wrong usage that says nothing better points to the help of its command. */
async function withOwnHelp(error: unknown, { name }: CommandRow): Promise<unknown> {
  if (!(error instanceof KmiError) || error.code !== 'bad_usage' || error.hint !== ERRORS.bad_usage.hint) return error;
  const { helpOf } = await import('./wrong-usage.ts');
  return new KmiError('bad_usage', error.message, { hint: `See \`${helpOf(name)}\`.`, cause: error });
}

/** What is set in a closed home may be anything, so nothing is sent or changed as if nothing were. */
function goOnWithout(problem: KmiError, row: CommandRow, { loaded, config, err }: CommandContext): void {
  if (row.withoutSettings !== true) throw problem;
  const folder = dirname(loaded.settingsFile);
  // What is the matter with the state folder is said where the state is read.
  if (folder === config.stateDir) err(`kmi: settings in ${folder} cannot be read and are left out.`);
  else err(`kmi: ${problem.message} Settings in it are left out. ${problem.hint}`);
}

/** A command that speaks of the proxy goes by the settings of the one that runs, wherever it is run itself. */
async function contextOf({ settingsOf }: CommandRow, context: CommandContext): Promise<CommandContext> {
  if (settingsOf === undefined) return context;
  const { atKeys, ofRunningProxy } = await import('./proxy/running-proxy.ts');
  return settingsOf === 'keys' ? atKeys(context) : ofRunningProxy(context);
}

/** What cannot be done without the folder we were called in, such as following a relative path, when that is gone. */
function withoutFolder(error: unknown): unknown {
  if ((error as { syscall?: unknown } | null)?.syscall !== 'uv_cwd') return error;
  return new KmiError('bad_usage', 'The folder you are in is gone or closed to you, so a relative path leads nowhere.', {
    hint: 'Go to another folder, or give an absolute path.',
    cause: error,
  });
}

async function report(thrown: unknown): Promise<number> {
  const error = withoutFolder(thrown);
  if (error instanceof KmiError) {
    const { renderError } = await import('./ui/error-lines.ts');
    // A pipe has no width to keep to.
    const lines = renderError(error.message, error.hint, process.stderr.columns ?? Number.POSITIVE_INFINITY);
    process.stderr.write(`${lines.join('\n')}\n`);
    return error.exitCode;
  }
  process.stderr.write(`kmi: something unexpected went wrong: ${reasonOf(error)}\n`);
  if (process.env.KMI_DEBUG === '1' && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return 1;
}
