import { type FileHandle, open, stat } from 'node:fs/promises';
import { reasonOf } from '../errors.ts';

const BLOCK_BYTES = 64 * 1024;
/** A line longer than this is shown in pieces. */
const LINE_MAX_BYTES = 1024 * 1024;
const BACKUPS_MAX = 100;

/** While it is open, the inode cannot be given to another file. */
type OpenFile = { readonly handle: FileHandle; readonly ino: number; position: number; carry: Buffer };

/**
 * Reads the lines appended to a text file, through rotation (`x.log` becomes `x.log.1`), being emptied, and being
 * deleted and recreated. Only whole lines are given; the rest of a line waits for its end.
 */
export class LineFollower {
  readonly #path: string;
  #file: OpenFile | null = null;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Starts at byte `position` of the file as it is now, or behind its last whole line. A missing file is waited for. */
  static async open(path: string, position: number | 'end'): Promise<LineFollower> {
    const follower = new LineFollower(path);
    const file = await openIfThere(path);
    if (file !== null) file.position = position === 'end' ? await endOfLastLine(file.handle) : position;
    follower.#file = file;
    return follower;
  }

  /** The lines completed since the last call, oldest first. */
  async next(): Promise<string[]> {
    const lines: string[] = [];
    if (this.#file === null) {
      this.#file = await openIfThere(this.#path);
      if (this.#file !== null) await readOn(this.#file, lines);
      return lines;
    }
    const inPlace = await inodeOf(this.#path);
    // What was written before the rotation is in the old file by now.
    await readOn(this.#file, lines);
    if (inPlace === this.#file.ino || inPlace === null) return lines;
    for (const path of await this.#filesSince(this.#file.ino)) {
      const file = await openIfThere(path);
      if (file === null) continue;
      await this.close();
      this.#file = file;
      await readOn(file, lines);
    }
    return lines;
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.handle.close().catch(() => undefined);
  }

  /** The files written after the one with that inode, oldest first; when it is nowhere any more, only the newest. */
  async #filesSince(ino: number): Promise<string[]> {
    const paths = [this.#path];
    for (let n = 1; n <= BACKUPS_MAX; n++) {
      const backup = `${this.#path}.${n}`;
      const found = await inodeOf(backup);
      if (found === ino) return paths;
      if (found === null) break;
      paths.unshift(backup);
    }
    return [this.#path];
  }
}

async function openIfThere(path: string): Promise<OpenFile | null> {
  try {
    const handle = await open(path, 'r');
    const { ino } = await handle.stat();
    return { handle, ino, position: 0, carry: Buffer.alloc(0) };
  } catch (error) {
    if (reasonOf(error) === 'ENOENT') return null;
    throw error;
  }
}

async function inodeOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).ino;
  } catch (error) {
    if (reasonOf(error) === 'ENOENT') return null;
    throw error;
  }
}

async function readOn(file: OpenFile, lines: string[]): Promise<void> {
  const { size } = await file.handle.stat();
  if (size < file.position) {
    // Emptied in place.
    file.position = 0;
    file.carry = Buffer.alloc(0);
  }
  while (file.position < size) {
    const block = Buffer.alloc(Math.min(BLOCK_BYTES, size - file.position));
    const { bytesRead } = await file.handle.read(block, 0, block.length, file.position);
    if (bytesRead === 0) return;
    file.position += bytesRead;
    const text = Buffer.concat([file.carry, block.subarray(0, bytesRead)]);
    // Cut at line ends only, so that no character is torn apart.
    const end = text.length > LINE_MAX_BYTES ? text.length : text.lastIndexOf(0x0a) + 1;
    file.carry = text.subarray(end);
    if (end > 0) lines.push(...splitLines(text.toString('utf8', 0, end)));
  }
}

async function endOfLastLine(handle: FileHandle): Promise<number> {
  let { size: position } = await handle.stat();
  while (position > 0) {
    const length = Math.min(BLOCK_BYTES, position);
    position -= length;
    const { buffer } = await handle.read(Buffer.alloc(length), 0, length, position);
    const lastBreak = buffer.lastIndexOf(0x0a);
    if (lastBreak !== -1) return position + lastBreak + 1;
  }
  return 0;
}

/** The lines of a text whose last line may or may not end with a line break. */
export function splitLines(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}
