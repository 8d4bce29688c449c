const FIRST_BYTES = 64 * 1024;
/** Longest UTF-8 form of one UTF-16 unit. */
const BYTES_PER_UNIT = 3;

/** Lines as bytes, ready to be written in one go. Its memory is used again after `clear`. */
export class LineBuffer {
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #length = 0;
  #count = 0;

  /** How many lines it holds. */
  get count(): number {
    return this.#count;
  }

  /** The lines, each with its line feed; valid until the next `add` or `clear`. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  add(line: string): void {
    this.#makeRoom(line.length * BYTES_PER_UNIT + 1);
    this.#length += this.#bytes.write(line, this.#length);
    this.#bytes[this.#length] = 0x0a;
    this.#length += 1;
    this.#count += 1;
  }

  clear(): void {
    this.#length = 0;
    this.#count = 0;
  }

  #makeRoom(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}
