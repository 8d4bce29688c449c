import { CUT_MIN_CHARS, maskKey, SPELLING_MAX_CHARS } from './mask-key.ts';

/** Errors are short. Of what is longer no more than its end is held back. */
const EVENT_MAX_CHARS = 64 * 1024;

const LF = 0x0a;
const CR = 0x0d;
/** Every error event has this word: as its name, as its type or as a member. */
const WORD = 'error';
/** In full, and not `"error":null`, which Responses say in events that are none. */
const ERROR_EVENT = /^event: ?error|"type"\s*:\s*"error"|"errors?(?:_\w+)?"\s*:\s*(?!null|(?:n|nu|nul)?$)\S/m;
/** A beginning of `ERROR_EVENT` that is longer than this is spread with spaces. */
const BEGINNING_MAX_CHARS = 64;
const BLANK_LINE = /\n\n|\r\n\r\n|\r\r/;
const BLANK_LINE_MAX_CHARS = 4;

/**
 * Whether a chunk of an event stream has to be looked at more closely: it speaks of an error, or ends within an event. Costs
 * an ordinary chunk one native search. Between two chunks that need no look a stream stands between two events.
 */
export function mayHoldErrorEvent(chunk: Buffer): boolean {
  return !endsWithEvent(chunk) || chunk.includes(WORD);
}

function endsWithEvent(chunk: Buffer): boolean {
  const last = chunk.length - 1;
  const before = chunk[last - 1];
  if (chunk[last] === CR) return before === CR;
  return chunk[last] === LF && (before === LF || (before === CR && chunk[last - 2] === LF));
}

/**
 * Covers echoes of the key in the error events of a stream, wherever in it they come; begins and is over between two events.
 * Held back is only an error event, or one in which the key stands while it is not known whether it is an error.
 */
export class EventGuard {
  /** The stream stands between two events. */
  isOver = false;
  readonly #key: string;
  /** The event that has not ended, one character a byte. */
  #text = '';
  /** So much of it has gone on. */
  #released = 0;
  /** So much of it has been looked at. */
  #seen = 0;
  #isError = false;
  #hasKey = false;

  constructor(key: string) {
    this.#key = key;
  }

  /** What goes on to the client now; null when nothing does. */
  take(chunk: Buffer): Buffer | null {
    const isWhole = this.#released === this.#text.length;
    this.#text += chunk.toString('latin1');
    let passing = '';
    let hasChanged = false;
    for (let end = this.#endOfEvent(); end !== -1; end = this.#endOfEvent()) {
      const next = this.#text.slice(end);
      this.#text = this.#text.slice(0, end);
      this.#lookForError();
      hasChanged ||= this.#isError;
      passing += this.#rest(false);
      this.#begin(next);
    }
    this.isOver = this.#text === '';
    if (!this.isOver) {
      this.#lookForError();
      this.#lookForKey();
      this.#seen = this.#text.length;
      if (this.#text.length > EVENT_MAX_CHARS) {
        hasChanged ||= this.#isError;
        passing += this.#isError ? this.#beginOfLongError() : this.#rest(true);
        if (!this.#isError) this.#begin('');
        this.isOver = !this.#isError;
      } else if (!this.#isError && !this.#hasKey) {
        passing += this.#text.slice(this.#released);
        this.#released = this.#text.length;
      }
    }
    if (passing === '') return null;
    const isAsItCame = isWhole && !hasChanged && passing.length === chunk.length;
    return isAsItCame ? chunk : Buffer.from(passing, 'latin1');
  }

  /** The answer is over, or broke off. */
  end(): Buffer | null {
    this.isOver = true;
    const rest = this.#rest(true);
    return rest === '' ? null : Buffer.from(rest, 'latin1');
  }

  /** All but an end in which the key may have begun. */
  #beginOfLongError(): string {
    const text = maskKey(this.#text, this.#key) ?? this.#text;
    const end = text.length - this.#key.length * SPELLING_MAX_CHARS;
    const passing = text.slice(this.#released, end);
    this.#released = Math.max(0, this.#released - end);
    this.#text = text.slice(end);
    this.#seen = this.#text.length;
    return passing;
  }

  #begin(text: string): void {
    this.#text = text;
    this.#released = 0;
    this.#seen = 0;
    this.#isError = false;
    this.#hasKey = false;
  }

  #endOfEvent(): number {
    const from = Math.max(0, this.#seen - BLANK_LINE_MAX_CHARS);
    const found = BLANK_LINE.exec(from === 0 ? this.#text : this.#text.slice(from));
    return found === null ? -1 : from + found.index + found[0].length;
  }

  #lookForError(): void {
    if (!this.#isError) this.#isError = ERROR_EVENT.test(this.#since(BEGINNING_MAX_CHARS));
  }

  /** As it is: every spelling is looked for only in what is an error, for that takes a thousand times as long. */
  #lookForKey(): void {
    this.#hasKey ||= this.#since(CUT_MIN_CHARS).includes(this.#key.slice(0, CUT_MIN_CHARS));
  }

  /** What has not been looked at, with as much before it as may belong to it. */
  #since(before: number): string {
    return this.#text.slice(Math.max(0, this.#seen - before));
  }

  /** What has not gone on of the event; of an error without the key. */
  #rest(isCut: boolean): string {
    const text = (this.#isError ? maskKey(this.#text, this.#key, { isCut }) : null) ?? this.#text;
    return text.slice(this.#released);
  }
}
