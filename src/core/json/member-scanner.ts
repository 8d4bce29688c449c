import { CLOSE_BRACE, CLOSE_BRACKET, COLON, OPEN_BRACE, OPEN_BRACKET, QUOTE, skipSpace } from './json-bytes.ts';

const BACKSLASH = 0x5c;

export type ScannedMember = {
  /** ASCII, its first letter nowhere else in it. */
  readonly name: string;
  /** First byte of the values that count: an opening brace or a quote. */
  readonly opener: number;
  /** A longer value is passed over. */
  readonly maxBytes: number;
};

/**
 * Finds the values of `"name":` in bytes that come in any pieces, and gives their text. Knows nothing of lines or events:
 * inside JSON strings quotes are escaped, so a match is always a real key. One native search a piece while there is
 * nothing; it holds no bytes but those of a value that is not complete yet.
 */
export class MemberScanner {
  readonly #opener: number;
  readonly #maxBytes: number;
  readonly #onValue: (json: string) => void;
  /** Without the first quote: a search that begins with one stops at every quote. */
  readonly #needle: Buffer;
  #seeks: 'name' | 'colon' | 'value' | 'end' = 'name';
  /** Bytes of the needle that ended the last piece, behind a quote. */
  #matched = 0;
  #lastByte = 0;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #depth = 0;
  #inString = false;
  #isEscaped = false;

  constructor({ name, opener, maxBytes }: ScannedMember, onValue: (json: string) => void) {
    this.#needle = Buffer.from(`${name}"`);
    this.#opener = opener;
    this.#maxBytes = maxBytes;
    this.#onValue = onValue;
  }

  take(piece: Buffer): void {
    const { length } = piece;
    if (length === 0) return;
    let at = 0;
    while (at < length) {
      if (this.#seeks === 'name') at = this.#seekName(piece, at);
      else if (this.#seeks === 'end') at = this.#seekEnd(piece, at);
      else at = this.#seekOpener(piece, at);
    }
    this.#lastByte = piece[length - 1] as number;
  }

  #seekName(piece: Buffer, from: number): number {
    const needle = this.#needle;
    let at = from;
    if (this.#matched > 0) {
      while (at < piece.length && piece[at] === needle[this.#matched]) {
        at += 1;
        this.#matched += 1;
        if (this.#matched === needle.length) return this.#foundName(at);
      }
      if (at === piece.length) return at;
      this.#matched = 0;
    }
    for (let hit = piece.indexOf(needle, at); hit !== -1; hit = piece.indexOf(needle, at)) {
      at = hit + needle.length;
      if (this.#isQuoteBefore(piece, hit)) return this.#foundName(at);
    }
    this.#matched = this.#beginsAtEnd(piece, at);
    return piece.length;
  }

  #foundName(behind: number): number {
    this.#matched = 0;
    this.#seeks = 'colon';
    return behind;
  }

  #isQuoteBefore(piece: Buffer, at: number): boolean {
    return (at === 0 ? this.#lastByte : piece[at - 1]) === QUOTE;
  }

  /** How many bytes of the needle the piece ends with. */
  #beginsAtEnd(piece: Buffer, from: number): number {
    const needle = this.#needle;
    for (let start = Math.max(from, piece.length - needle.length + 1); start < piece.length; start++) {
      if (piece[start] !== needle[0]) continue;
      const count = piece.length - start;
      if (piece.compare(needle, 0, count, start) === 0 && this.#isQuoteBefore(piece, start)) return count;
    }
    return 0;
  }

  #seekOpener(piece: Buffer, from: number): number {
    const at = skipSpace(piece, from);
    if (at === piece.length) return at;
    if (this.#seeks === 'colon') {
      this.#seeks = piece[at] === COLON ? 'value' : 'name';
      // What is no colon may be where the name begins.
      return piece[at] === COLON ? at + 1 : at;
    }
    this.#seeks = piece[at] === this.#opener ? 'end' : 'name';
    return at;
  }

  #seekEnd(piece: Buffer, from: number): number {
    const limit = Math.min(piece.length, from + this.#maxBytes - this.#heldBytes);
    for (let at = from; at < limit; at++) {
      if (!this.#isLast(piece[at] as number)) continue;
      const value = piece.subarray(from, at + 1);
      const json = this.#held.length === 0 ? value : Buffer.concat([...this.#held, value]);
      this.#forget();
      this.#onValue(json.toString('utf8'));
      return at + 1;
    }
    if (limit < piece.length) {
      this.#forget();
      return limit;
    }
    // A copy: the piece is part of a larger buffer, which need not stay for a few bytes.
    this.#held.push(Buffer.from(piece.subarray(from)));
    this.#heldBytes += piece.length - from;
    return piece.length;
  }

  /** Whether the value ends with this byte. */
  #isLast(byte: number): boolean {
    if (this.#inString) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (byte === BACKSLASH) this.#isEscaped = true;
      else if (byte === QUOTE) {
        this.#inString = false;
        return this.#depth === 0;
      }
      return false;
    }
    if (byte === QUOTE) this.#inString = true;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) this.#depth += 1;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      this.#depth -= 1;
      return this.#depth === 0;
    }
    return false;
  }

  #forget(): void {
    this.#seeks = 'name';
    this.#held = [];
    this.#heldBytes = 0;
    this.#depth = 0;
    this.#inString = false;
    this.#isEscaped = false;
  }
}
