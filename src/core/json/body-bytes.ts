const FROM_THE_START: readonly number[] = [0];

/**
 * A held body, read without joining its chunks: joining 88 KB costs more than the search itself. `join` does it
 * once, for callers that have to search through everything.
 */
export class BodyBytes {
  readonly length: number;
  readonly #chunks: readonly Buffer[];
  readonly #starts: readonly number[];
  #joined: Buffer | null = null;

  constructor(chunks: readonly Buffer[]) {
    if (chunks.length === 1) {
      this.#chunks = chunks;
      this.#starts = FROM_THE_START;
      this.#joined = chunks[0] as Buffer;
      this.length = this.#joined.length;
      return;
    }
    const starts: number[] = [];
    let length = 0;
    for (const chunk of chunks) {
      starts.push(length);
      length += chunk.length;
    }
    this.#chunks = chunks;
    this.#starts = starts;
    this.length = length;
  }

  /** The bytes `from` (inclusive) to `to`, cut at the ends of the body. A copy only where two chunks meet. */
  slice(from: number, to: number): Buffer {
    const start = Math.max(0, from);
    const end = Math.min(this.length, to);
    if (this.#joined !== null) return this.#joined.subarray(start, end);
    for (let n = this.#chunks.length - 1; n >= 0; n--) {
      const base = this.#starts[n] as number;
      if (start < base) continue;
      const chunk = this.#chunks[n] as Buffer;
      if (end - base <= chunk.length) return chunk.subarray(start - base, end - base);
      return this.#copy(n, start, end);
    }
    return Buffer.alloc(0);
  }

  byteAt(place: number): number | undefined {
    if (this.#joined !== null) return this.#joined[place];
    for (let n = this.#chunks.length - 1; n >= 0; n--) {
      const base = this.#starts[n] as number;
      if (place >= base) return this.#chunks[n]?.[place - base];
    }
    return undefined;
  }

  #copy(first: number, start: number, end: number): Buffer {
    const parts: Buffer[] = [];
    for (let n = first; n < this.#chunks.length && (this.#starts[n] as number) < end; n++) {
      const base = this.#starts[n] as number;
      parts.push((this.#chunks[n] as Buffer).subarray(Math.max(0, start - base), end - base));
    }
    return Buffer.concat(parts);
  }

  join(): Buffer {
    this.#joined ??= Buffer.concat(this.#chunks as Buffer[]);
    return this.#joined;
  }
}
