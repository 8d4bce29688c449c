/** What a person did at a prompt. Pasted text arrives as text; line breaks in it never count as Enter. */
export type InputEvent =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'enter' | 'erase' | 'erase_word' | 'erase_line' | 'interrupt' | 'end' | 'suspend' };

const CONTROLS: Readonly<Record<string, InputEvent>> = {
  '\u0003': { kind: 'interrupt' },
  '\u0004': { kind: 'end' },
  '\b': { kind: 'erase' },
  '\u007f': { kind: 'erase' },
  '\u0015': { kind: 'erase_line' },
  '\u0017': { kind: 'erase_word' },
  '\u001a': { kind: 'suspend' },
};

const PASTE_BEGINS = '\u001b[200~';
const PASTE_ENDS = '\u001b[201~';

/** Reads what a terminal in raw mode sends; sequences may be split anywhere between two pieces. */
export class InputReader {
  #rest = '';
  #isPasting = false;
  #lastWasReturn = false;

  read(piece: string): InputEvent[] {
    this.#rest += piece;
    const events: InputEvent[] = [];
    while (this.#rest !== '') {
      const before = this.#rest.length;
      this.#step(events);
      if (this.#rest.length === before) break;
    }
    return events;
  }

  #step(events: InputEvent[]): void {
    if (this.#isPasting) this.#readPaste(events);
    else if (this.#rest.startsWith('\u001b')) this.#readSequence();
    else this.#readTyped(events);
  }

  #readPaste(events: InputEvent[]): void {
    const end = this.#rest.indexOf(PASTE_ENDS);
    // The mark may be cut in two: what could be its beginning waits for the next piece.
    const held = end === -1 ? heldBack(this.#rest) : 0;
    const text = end === -1 ? this.#rest.slice(0, this.#rest.length - held) : this.#rest.slice(0, end);
    this.#rest = this.#rest.slice(end === -1 ? text.length : end + PASTE_ENDS.length);
    if (end !== -1) this.#isPasting = false;
    if (text !== '') events.push({ kind: 'text', text: oneLine(text) });
  }

  /** Arrow keys and the like mean nothing at a prompt. */
  #readSequence(): void {
    if (this.#rest.startsWith(PASTE_BEGINS)) {
      this.#isPasting = true;
      this.#rest = this.#rest.slice(PASTE_BEGINS.length);
      return;
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the sequences of a terminal begin with Escape.
    const whole = /^\u001b(?:\[[0-9;?]*[ -/]*[@-~]|O[ -~])/.exec(this.#rest);
    if (whole !== null) this.#rest = this.#rest.slice(whole[0].length);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: as above; what is still incomplete waits for the next piece.
    else if (!/^\u001b(?:\[[0-9;?]*[ -/]*|O)?$/.test(this.#rest)) this.#rest = this.#rest.slice(1);
  }

  #readTyped(events: InputEvent[]): void {
    const character = this.#rest.charAt(0);
    const followsReturn = this.#lastWasReturn;
    this.#lastWasReturn = character === '\r';
    if (character === '\r' || character === '\n') {
      this.#rest = this.#rest.slice(1);
      // One key press for terminals that send both.
      if (!(character === '\n' && followsReturn)) events.push({ kind: 'enter' });
      return;
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: text ends where a control character stands.
    const text = /^[^\u0000-\u001f\u007f]+/.exec(this.#rest)?.[0];
    this.#rest = this.#rest.slice(text?.length ?? 1);
    if (text !== undefined) events.push({ kind: 'text', text });
    else if (CONTROLS[character] !== undefined) events.push(CONTROLS[character]);
  }
}

function heldBack(text: string): number {
  for (let length = Math.min(PASTE_ENDS.length - 1, text.length); length > 0; length -= 1) {
    if (text.endsWith(PASTE_ENDS.slice(0, length))) return length;
  }
  return 0;
}

/** A key copied with its line break is still one line. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}]+/gu, ' ');
}
