import type { ReadStream, WriteStream } from 'node:tty';
import { modeOf } from '../../../core/clients/proxy-mode.ts';
import type { TraceEvent } from '../../../core/trace/trace-event.ts';
import { DEFAULT_WINDOW } from '../../../core/trace/trace-stats.ts';
import { FOLLOW_MS } from '../../../trace/follow.ts';
import { readLastEvents } from '../../../trace/trace-reader.ts';
import { tracePath } from '../../../trace/writer.ts';
import { type Command, type CommandContext, canShowScreen } from '../../command/context.ts';
import { ignoreBrokenPipe, untilSignalled } from '../../command/ending.ts';
import { wholeNumber } from '../../command/numbers.ts';
import { sayMode } from '../../command/say-mode.ts';
import { openLive } from '../../ui/live.ts';
import { STREAM_COLUMNS, traceLines } from '../../words/trace-lines.ts';
import { followTrace, readable } from './following.ts';
import { renderTraceWindow, requestRows } from './view.ts';
import { addEvents, newWindow, passes, pressKey, type TraceFilter } from './window.ts';

type Options = {
  readonly json?: boolean;
  readonly last?: string;
  readonly window?: string;
  readonly key?: string;
  readonly errors?: boolean;
};

/** `kmi trace`: a live window in a terminal, else a stream of lines; with `--last` the newest lines and no more. */
export const run: Command<Options> = async (context, options) => {
  const filter: TraceFilter = { key: options.key ?? null, status: options.errors === true ? 'errors' : 'all' };
  const window =
    options.window === undefined ? DEFAULT_WINDOW : wholeNumber('--window', options.window, { min: 1, max: 100_000 });
  const path = tracePath(context.config.stateDir);
  ignoreBrokenPipe();
  const isWindow = canShowScreen(context) && options.json !== true && options.last === undefined;
  if (isWindow) return showWindow(context, path, filter, window);
  if (options.json !== true) sayMode(context);
  const print = printerFor(context, options.json === true);
  if (options.last !== undefined) {
    const last = wholeNumber('--last', options.last, { min: 0, max: 1_000_000 });
    const events = await readable(path, readLastEvents(path, linesFor(filter, last)));
    const shown = newest(events, filter, last);
    print(shown);
    if (shown.length === 0 && last > 0 && options.json !== true) {
      context.err(events.length === 0 ? 'No requests yet: the proxy has served none.' : 'No request passes the filter.');
    }
    return 0;
  }
  return stream(path, filter, print);
};

/** Lines that are printed before those to come. */
const LINES_SHOWN = 20;

/** Lines read to find `count` that pass a filter. */
const FILTERED_MAX = 100_000;

function linesFor(filter: TraceFilter, count: number): number {
  return filter.key === null && filter.status === 'all' ? count : Math.max(count, FILTERED_MAX);
}

function newest(events: readonly TraceEvent[], filter: TraceFilter, count: number): TraceEvent[] {
  const passing = events.filter((event) => passes(event, filter));
  return passing.slice(Math.max(0, passing.length - count));
}

type Print = (events: readonly TraceEvent[]) => void;

function printerFor({ out, style, width, isTerminal }: CommandContext, json: boolean): Print {
  if (json) {
    return (events) => {
      for (const event of events) out(JSON.stringify(event));
    };
  }
  const render = traceLines(style, () => (isTerminal ? width : Math.max(width, STREAM_COLUMNS)));
  return (events) => {
    for (const line of render(events)) out(line);
  };
}

async function stream(path: string, filter: TraceFilter, print: Print): Promise<number> {
  const ending = untilSignalled();
  const followed = await followTrace(path, linesFor(filter, LINES_SHOWN));
  try {
    print(newest(followed.earlier, filter, LINES_SHOWN));
    while (await ending.pause(FOLLOW_MS)) print((await followed.next()).filter((event) => passes(event, filter)));
    return ending.exitCode();
  } finally {
    await followed.close();
    ending.stop();
  }
}

/** How long new lines stay highlighted when nothing follows them. */
const FRESH_MS = 3000;

/** A minute passes without a new request, too. */
const REDRAW_MS = 1000;
/** Earlier requests that are read: the last minute's and a screen full. */
const EARLIER_MIN = 1000;

async function showWindow(context: CommandContext, path: string, filter: TraceFilter, size: number): Promise<number> {
  const { style, config, proxy } = context;
  const ending = untilSignalled();
  const followed = await followTrace(path, Math.max(size, EARLIER_MIN));
  let window = addEvents(newWindow(size, filter, proxy == null ? null : modeOf(config)), followed.earlier, { asFresh: false });
  const screen = openLive({
    stdin: process.stdin as ReadStream,
    stdout: process.stdout as WriteStream,
    onKey(key) {
      const next = pressKey(window, key, requestRows(screen));
      if (next === null) ending.end(0);
      else window = next;
      draw();
    },
    onRedraw: () => draw(),
  });
  let freshUntil = 0;
  let drawnAt = 0;
  const draw = () => {
    drawnAt = performance.now();
    screen.draw(renderTraceWindow(window, screen, style, Date.now()));
  };
  try {
    draw();
    while (await ending.pause(FOLLOW_MS)) {
      const events = await followed.next();
      const isStale = window.fresh.size > 0 && performance.now() > freshUntil;
      if (events.length > 0 || isStale) {
        window = addEvents(window, events);
        freshUntil = performance.now() + FRESH_MS;
        draw();
      } else if (performance.now() - drawnAt >= REDRAW_MS) draw();
    }
    return ending.exitCode();
  } finally {
    screen.close();
    await followed.close();
    ending.stop();
  }
}
