import { readTail, type Tail } from '../../../daemon/log-tail.ts';
import { daemonOutputPath } from '../../../daemon/output-file.ts';
import { sinceFilter } from '../../../daemon/since.ts';
import { KmiError, reasonOf } from '../../../errors.ts';
import { LineFollower } from '../../../files/line-follower.ts';
import type { Command, CommandContext } from '../../command/context.ts';
import { untilSignalled } from '../../command/ending.ts';
import { wholeNumber } from '../../command/numbers.ts';
import { instant } from '../../command/times.ts';
import { type LogLine, logLineToJson, mergeLogs, timedLines } from './entries.ts';
import { renderLogLine } from './line.ts';

type Options = {
  readonly json?: boolean;
  readonly follow?: boolean;
  readonly lines?: string;
  readonly daemon?: boolean;
  readonly app?: boolean;
  readonly since?: string;
};

const DEFAULT_LINES = 50;
const LINES_MAX = 1_000_000;
const FOLLOW_MS = 200;

/** One of the files that make the log. */
type Log = {
  readonly path: string;
  readonly tail: Tail | null;
  readonly timed: (lines: readonly string[]) => readonly LogLine[];
  readonly passes: (line: string) => boolean;
};

/**
 * `kmi logs`: the newest lines of what the background proxy printed and of the app's log, in the order of their times, and what
 * is added to them.
 */
export const run: Command<Options> = async (context, options) => {
  const { config, isTerminal } = context;
  const { count, since } = selectionOf(context, options);
  const logs = await Promise.all(
    (await pathsOf(context, options)).map(async (path): Promise<Log> => {
      const tail = await tailOf(path, { count, since, zone: config.timezone });
      return { path, tail, timed: timedLines(config.timezone), passes: sinceFilter(since, config.timezone) };
    }),
  );
  if (logs.every(({ tail }) => tail === null)) throw missing(logs, options);
  const isFollowed = options.follow ?? isTerminal;
  const print = printer(context, options.json === true);
  const lines = mergeLogs(logs.map((log) => log.timed((log.tail?.lines ?? []).filter(log.passes))));
  for (const line of count < lines.length ? lines.slice(lines.length - count) : lines) print(line);
  if (isFollowed) return follow(logs, print);
  for (const { tail, timed, passes } of count > 0 ? logs : []) {
    if (tail !== null && tail.rest !== '' && passes(tail.rest)) for (const line of timed([tail.rest])) print(line);
  }
  return 0;
};

function selectionOf({ config }: CommandContext, { since: stated, lines }: Options): { count: number; since: number | null } {
  const since = stated === undefined ? null : instant('--since', stated, config.timezone);
  if (lines !== undefined) return { count: wholeNumber('-n', lines, { min: 0, max: LINES_MAX }), since };
  // A --since without -n means all lines since then.
  return { count: since === null ? DEFAULT_LINES : LINES_MAX, since };
}

async function pathsOf({ config: { stateDir } }: CommandContext, { daemon, app }: Options): Promise<readonly string[]> {
  if (daemon === true && app === true) throw new KmiError('bad_usage', '--daemon and --app cannot stand together.');
  if (daemon === true) return [daemonOutputPath(stateDir)];
  // Loaded on demand: it brings the logger with it.
  const { logPath } = await import('../../../log.ts');
  return app === true ? [logPath(stateDir)] : [daemonOutputPath(stateDir), logPath(stateDir)];
}

async function tailOf(path: string, options: Parameters<typeof readTail>[1]): Promise<Tail | null> {
  return readTail(path, options).catch((error: unknown) => {
    throw new KmiError('no_log', `The log ${path} cannot be read (${reasonOf(error)}).`, {
      hint: 'Check its permissions.',
      cause: error,
    });
  });
}

function missing(logs: readonly Log[], { daemon }: Options): KmiError {
  return new KmiError('no_log', `There is no log at ${logs.map(({ path }) => path).join(' or ')}.`, {
    hint:
      daemon === true
        ? 'It is written once the proxy has run in the background: `kmi proxy`. Without --daemon the log of the app is shown, too.'
        : 'It is written once the proxy has run: `kmi proxy`.',
  });
}

/** In a terminal, lines are wrapped to its width as it is then. */
function printer({ out, style, width, isTerminal }: CommandContext, json: boolean): (line: LogLine) => void {
  if (json) return (line) => out(logLineToJson(line));
  return ({ text }) => {
    const columns = isTerminal ? (process.stdout.columns ?? width) : undefined;
    for (const line of renderLogLine(text, style, columns)) out(line);
  };
}

async function follow(logs: readonly Log[], print: (line: LogLine) => void): Promise<number> {
  const ending = untilSignalled();
  const followed = await Promise.all(
    logs.map(async (log) => ({ ...log, follower: await LineFollower.open(log.path, log.tail?.position ?? 0) })),
  );
  try {
    do {
      const added = await Promise.all(
        followed.map(async ({ follower, timed, passes }) => timed((await follower.next()).filter(passes))),
      );
      for (const line of mergeLogs(added)) print(line);
    } while (await ending.pause(FOLLOW_MS));
    return ending.exitCode();
  } finally {
    for (const { follower } of followed) await follower.close();
    ending.stop();
  }
}
