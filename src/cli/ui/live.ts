import type { ReadStream, WriteStream } from 'node:tty';

/** A full-screen view that hands the terminal back as it was. */
export type LiveScreen = {
  readonly columns: number;
  readonly rows: number;
  /** Shows the lines, from the top. Nothing is written when nothing changed. */
  draw(lines: readonly string[]): void;
  /** Hands the terminal back. May be called more than once. */
  close(): void;
};

export type LiveOptions = {
  readonly stdin: ReadStream;
  readonly stdout: WriteStream;
  /** A key as its character, or by its name when it has none; "\u0003" is Ctrl+C, "\u001b" Escape. Other sequences are not told. */
  readonly onKey: (key: string) => void;
  /** The screen has another size, or must be redrawn. */
  readonly onRedraw: () => void;
};

const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l';
const LEAVE = '\u001b[?7h\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const TO_END_OF_LINE = '\u001b[K';
const TO_END_OF_SCREEN = '\u001b[J';
const CTRL_Z = '\u001a';

/**
 * Takes the terminal: alternate screen, no cursor, no line wrap, keys without Enter. It is handed back by `close`, by
 * the end of the process, before an uncaught error is printed, and while the process is suspended (Ctrl+Z). Ending
 * signals are the caller's: it should close and end.
 */
export function openLive({ stdin, stdout, onKey, onRedraw }: LiveOptions): LiveScreen {
  let isTaken = false;
  let isClosed = false;
  let drawn = '';

  const take = () => {
    if (isTaken || isClosed) return;
    isTaken = true;
    drawn = '';
    if (stdin.isTTY) stdin.setRawMode(true);
    stdout.write(ENTER);
  };
  const giveBack = () => {
    if (!isTaken) return;
    isTaken = false;
    stdout.write(LEAVE);
    if (stdin.isTTY) stdin.setRawMode(false);
  };
  const suspend = () => {
    giveBack();
    // To the whole group, as the terminal itself does: a shell or npm in front must stop too.
    process.kill(0, 'SIGTSTP');
  };
  const onContinue = () => {
    take();
    onRedraw();
  };
  const onInput = (text: string) => {
    for (const key of keysOf(text)) {
      if (key === CTRL_Z && process.platform !== 'win32') suspend();
      else onKey(key);
    }
  };
  const onResize = () => {
    drawn = '';
    onRedraw();
  };

  process.on('exit', giveBack);
  process.on('uncaughtExceptionMonitor', giveBack);
  if (process.platform !== 'win32') process.on('SIGCONT', onContinue);
  stdout.on('resize', onResize);
  if (stdin.isTTY) stdin.setEncoding('utf8').on('data', onInput).resume();
  take();

  return {
    get columns() {
      return stdout.columns || 80;
    },
    get rows() {
      return stdout.rows || 24;
    },
    draw(lines) {
      if (!isTaken) return;
      // Cleared first: behind a line as wide as the terminal, clearing would take its last character.
      const frame = lines.map((line) => `${TO_END_OF_LINE}${line}`).join('\r\n');
      if (frame === drawn) return;
      drawn = frame;
      stdout.write(`${HOME}${frame}${lines.length < (stdout.rows || 24) ? `\r\n${TO_END_OF_SCREEN}` : ''}`);
    },
    close() {
      giveBack();
      isClosed = true;
      process.off('exit', giveBack);
      process.off('uncaughtExceptionMonitor', giveBack);
      process.off('SIGCONT', onContinue);
      stdout.off('resize', onResize);
      stdin.off('data', onInput).pause();
    },
  };
}

/** What terminals send for keys without a character, after Escape and `[` or `O`. */
const NAMED: Readonly<Record<string, KeyName>> = {
  A: 'up',
  B: 'down',
  C: 'right',
  D: 'left',
  H: 'home',
  F: 'end',
  '1~': 'home',
  '4~': 'end',
  '5~': 'page up',
  '6~': 'page down',
  '7~': 'home',
  '8~': 'end',
};

/** Keys without a character of their own. Enter comes as "enter", whichever line break the terminal sends. */
export type KeyName = 'up' | 'down' | 'left' | 'right' | 'home' | 'end' | 'page up' | 'page down' | 'enter';

/** A sequence that a special key sends, or one character. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the sequences of a terminal begin with Escape.
const KEY = /\u001b(?:\[([0-9;?]*[ -/]*[@-~])|O([ -~]))|./gsu;

/** The keys of what was typed; a sequence without a name here is none. */
function keysOf(text: string): string[] {
  const keys: string[] = [];
  for (const [typed, sequence, application] of text.matchAll(KEY)) {
    const named = sequence ?? application;
    if (named === undefined) keys.push(typed === '\r' || typed === '\n' ? 'enter' : typed);
    else if (Object.hasOwn(NAMED, named)) keys.push(NAMED[named] as KeyName);
  }
  return keys;
}
