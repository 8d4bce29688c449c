import { COLON, endOfValue, kindAt, QUOTE, skipSpace } from './json-bytes.ts';
import { needleOf } from './members.ts';

export type ScannedMember = {
  /** ASCII, its first letter nowhere else in it. */
  readonly name: string;
  /** Values of another kind do not count. */
  readonly kind: 'string' | 'object';
  /** A longer value is passed over. */
  readonly maxBytes: number;
};

/**
 * Finds the values of `"name":` in bytes that come in any pieces, and gives their text. Knows nothing of lines or events:
 * inside JSON strings quotes are escaped, so a match is always a real key. One native search a piece while there is
 * nothing; it holds no bytes but those of a value that is not complete yet.
 */
export class MemberScanner {
  readonly #kind: 'string' | 'object';
  readonly #maxBytes: number;
  readonly #onValue: (json: string) => void;
  readonly #needle: Buffer;
  #seeks: 'name' | 'colon' | 'value' | 'end' = 'name';
  /** Bytes of the needle that ended the last piece, behind a quote. */
  #matched = 0;
  #lastByte = 0;
  /** The beginning of a value that no piece has ended yet. */
  #held: Buffer | null = null;

  constructor({ name, kind, maxBytes }: ScannedMember, onValue: (json: string) => void) {
    this.#needle = needleOf(name);
    this.#kind = kind;
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
      else at = this.#seekValue(piece, at);
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

  #seekValue(piece: Buffer, from: number): number {
    const at = skipSpace(piece, from);
    if (at === piece.length) return at;
    if (this.#seeks === 'colon') {
      this.#seeks = piece[at] === COLON ? 'value' : 'name';
      // What is no colon may be where the name begins.
      return piece[at] === COLON ? at + 1 : at;
    }
    this.#seeks = kindAt(piece, at) === this.#kind ? 'end' : 'name';
    return at;
  }

  /** Reads a value again from its beginning with each further piece: it is short, and seldom in more than two. */
  #seekEnd(piece: Buffer, from: number): number {
    const heldBytes = this.#held?.length ?? 0;
    const limit = Math.min(piece.length, from + this.#maxBytes - heldBytes);
    const part = piece.subarray(from, limit);
    const value = this.#held === null ? part : Buffer.concat([this.#held, part]);
    const end = endOfValue(value, 0);
    if (end === -1 && limit === piece.length) {
      // A copy: the piece is part of a larger buffer, which need not stay for a few bytes.
      this.#held = this.#held === null ? Buffer.from(part) : value;
      return limit;
    }
    this.#held = null;
    this.#seeks = 'name';
    if (end === -1) return limit;
    this.#onValue(value.toString('utf8', 0, end));
    return from + end - heldBytes;
  }
}
