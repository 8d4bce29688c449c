import { readTail, type Tail } from '../../../daemon/log-tail.ts';
import { daemonOutputPath } from '../../../daemon/output-file.ts';
import { parseSince, SINCE_ACCEPTS, sinceFilter } from '../../../daemon/since.ts';
import { KmiError, reasonOf } from '../../../errors.ts';
import { LineFollower } from '../../../files/line-follower.ts';
import type { Command, CommandContext } from '../../command/context.ts';
import { untilSignalled } from '../../command/ending.ts';
import { wholeNumber } from '../../command/numbers.ts';
import { tell } from '../../command/tell.ts';
import { renderLogLine } from './line.ts';

type Options = {
  readonly follow?: boolean;
  readonly lines?: string;
  readonly daemon?: boolean;
  readonly app?: boolean;
  readonly since?: string;
};

const DEFAULT_LINES = 50;
const LINES_MAX = 1_000_000;
const FOLLOW_MS = 200;

/** `kmi proxy-logs`: the newest lines of the daemon's output or of the app's log, and what is added to it. */
export const run: Command<Options> = async (context, options) => {
  const { config, isTerminal } = context;
  if (options.daemon === true && options.app === true) {
    throw new KmiError('bad_usage', '--daemon and --app cannot stand together.');
  }
  const since = options.since === undefined ? null : parseSince(options.since, Date.now(), config.timezone);
  if (options.since !== undefined && since === null) {
    throw new KmiError('bad_usage', `--since ${options.since.slice(0, 40)}: takes ${SINCE_ACCEPTS}.`);
  }
  // Whoever names a time wants all of it.
  const count =
    options.lines !== undefined
      ? wholeNumber('-n', options.lines, { min: 0, max: LINES_MAX })
      : since === null
        ? DEFAULT_LINES
        : LINES_MAX;
  const path = options.app === true ? await appLogPath(config.stateDir) : daemonOutputPath(config.stateDir);
  const tail = await readTail(path, { count, since, zone: config.timezone }).catch((error: unknown) => {
    throw new KmiError('no_log', `The log ${path} cannot be read (${reasonOf(error)}).`, {
      hint: 'Check its permissions.',
      cause: error,
    });
  });
  if (tail === null) throw missing(path, options.app === true);
  const print = printer(context);
  const passes = sinceFilter(since, config.timezone);
  for (const line of tail.lines) if (passes(line)) print(line);
  if (options.follow ?? isTerminal) return follow(path, tail, (line) => passes(line) && print(line));
  if (tail.rest !== '' && count > 0 && passes(tail.rest)) print(tail.rest);
  return 0;
};

/** Loaded on demand: it brings the logger with it. */
async function appLogPath(stateDir: string): Promise<string> {
  const { logPath } = await import('../../../log.ts');
  return logPath(stateDir);
}

function missing(path: string, isApp: boolean): KmiError {
  return new KmiError('no_log', `There is no log at ${path}.`, {
    hint: isApp
      ? 'It is written once the proxy has run: `kmi proxy`.'
      : 'It is written once the proxy has run in the background: `kmi proxy`. `--app` shows the log of the app.',
  });
}

/** In a terminal JSON lines are made readable; elsewhere every line goes out as it stands. */
function printer(context: CommandContext): (line: string) => void {
  const { out, style, isTerminal } = context;
  return isTerminal ? (line) => tell(context, renderLogLine(line, style)) : out;
}

async function follow(path: string, { position }: Tail, print: (line: string) => void): Promise<number> {
  const ending = untilSignalled();
  const follower = await LineFollower.open(path, position);
  try {
    do for (const line of await follower.next()) print(line);
    while (await ending.pause(FOLLOW_MS));
    return ending.exitCode();
  } finally {
    await follower.close();
    ending.stop();
  }
}
