import { type FSWatcher, watch } from 'node:fs';
import type { ReadStream, WriteStream } from 'node:tty';
import { zonedStamp } from '../../../core/text/zoned-time.ts';
import { KmiError, reasonOf } from '../../../errors.ts';
import { type Command, type CommandContext, canShowScreen } from '../../command/context.ts';
import { type Ending, ignoreBrokenPipe, untilSignalled } from '../../command/ending.ts';
import { openLive } from '../../ui/live.ts';
import { STREAM_COLUMNS, traceLines } from '../../words/trace-lines.ts';
import { wordsOf } from './happening-words.ts';
import { type Action, newScreen, pressKey, withPicture } from './screen.ts';
import { LOOK_MS, traceFolder, WatchSources } from './sources.ts';
import { headline, renderWatch } from './view.ts';

/** Looks at least so far apart, however many requests come. */
const LOOK_GAP_MS = 200;

/** `kmi watch`: a live screen in a terminal; elsewhere a line for each request and for all that happens beside them. */
export const run: Command<Record<string, unknown>> = async (context) => {
  ignoreBrokenPipe();
  return canShowScreen(context) ? showScreen(context) : printLines(context);
};

async function showScreen(context: CommandContext): Promise<number> {
  const { style } = context;
  const ending = untilSignalled();
  let note = (message: string): void => context.err(`kmi: ${message}`);
  const sources = await WatchSources.open(context, (message) => note(message)).catch((error: unknown) => {
    ending.stop();
    throw error;
  });
  let screen = newScreen(sources.picture);
  const terminal = openLive({
    stdin: process.stdin as ReadStream,
    stdout: process.stdout as WriteStream,
    onKey(key) {
      const pressed = pressKey(screen, key);
      screen = pressed.screen;
      draw();
      if (pressed.action !== null) act(pressed.action);
    },
    onRedraw: () => draw(),
  });
  const draw = () => terminal.draw(renderWatch(screen, terminal, style));
  const say = (message: string) => {
    screen = { ...screen, message };
    draw();
  };
  note = say;
  const act = (action: Action) => {
    if (action.kind === 'quit') ending.end(0);
    else void perform(action, sources).then(say, (error: unknown) => say(explain(error)));
  };
  const pulse = new Pulse(ending);
  try {
    draw();
    while (await pulse.next(traceFolder(sources.context))) {
      await sources.look();
      screen = withPicture(screen, sources.picture);
      draw();
    }
    return ending.exitCode();
  } finally {
    terminal.close();
    pulse.stop();
    await sources.close();
    ending.stop();
  }
}

async function perform(
  action: Exclude<Action, { kind: 'quit' }>,
  { context: { config }, picture }: WatchSources,
): Promise<string> {
  const { freeKey, useNext } = await import('./actions.ts');
  const { candidates, rotation } = picture;
  const parts = { config, clock: Date.now, candidates, rotation };
  return action.kind === 'free' ? freeKey(action.label, parts) : useNext(action.label, parts);
}

function explain(error: unknown): string {
  return error instanceof KmiError ? `${error.message} ${error.hint}` : `That did not work (${reasonOf(error)}).`;
}

async function printLines(context: CommandContext): Promise<number> {
  const { out, err, style, width, isTerminal } = context;
  const ending = untilSignalled();
  const render = traceLines(style, () => (isTerminal ? (process.stdout.columns ?? width) : Math.max(width, STREAM_COLUMNS)));
  const pulse = new Pulse(ending);
  let sources: WatchSources | null = null;
  try {
    sources = await WatchSources.open(context, (message) => err(`kmi: ${message}`));
    let said = '';
    const sayVerdict = ({ picture }: WatchSources) => {
      const { text, level } = headline(picture);
      if (text === said) return;
      said = text;
      out(`${style.dim(zonedStamp(picture.now, picture.zone).slice(11, 19))}  ${style[level](text)}`);
    };
    sayVerdict(sources);
    while (await pulse.next(traceFolder(sources.context))) {
      const { requests, happenings } = await sources.look();
      for (const line of render(requests)) out(line);
      for (const happening of happenings) {
        const { text, paint } = wordsOf(happening, sources.picture.zone, style);
        out(`${style.dim(zonedStamp(happening.at, sources.picture.zone).slice(11, 19))}  ${paint(text)}`);
      }
      sayVerdict(sources);
    }
    return ending.exitCode();
  } finally {
    pulse.stop();
    await sources?.close();
    ending.stop();
  }
}

/** When to look next: about once a second, and soon after something was written to a folder. */
class Pulse {
  readonly #ending: Ending;
  #folder: string | null = null;
  #watcher: FSWatcher | null = null;
  #hasNews = false;
  #wake: () => void = () => undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(ending: Ending) {
    this.#ending = ending;
  }

  /** Waits; false, and at once, when the command should end. */
  async next(folder: string): Promise<boolean> {
    if (folder !== this.#folder || this.#watcher === null) this.#watch(folder);
    const gap = this.#lookedAt + LOOK_GAP_MS - performance.now();
    if (gap > 0 && !(await this.#ending.pause(gap))) return false;
    if (!this.#hasNews && !(await this.#pause(LOOK_MS - LOOK_GAP_MS))) return false;
    this.#hasNews = false;
    this.#lookedAt = performance.now();
    return !this.#ending.signal.aborted;
  }

  stop(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }

  async #pause(ms: number): Promise<boolean> {
    const woken = new Promise<boolean>((resolve) => {
      this.#wake = () => resolve(!this.#ending.signal.aborted);
    });
    return Promise.race([this.#ending.pause(ms), woken]);
  }

  /** A folder that is not there yet, or cannot be watched, is looked at all the same, only later. */
  #watch(folder: string): void {
    this.stop();
    this.#folder = folder;
    try {
      this.#watcher = watch(folder, { persistent: false }, () => {
        this.#hasNews = true;
        this.#wake();
      });
      this.#watcher.on('error', () => this.stop());
    } catch {
      this.#watcher = null;
    }
  }
}
