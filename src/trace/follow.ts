import { type FileHandle, open, stat } from 'node:fs/promises';
import type { TraceEvent } from '../core/trace-event.ts';
import { reasonOf } from '../errors.ts';
import { parseTraceLine } from './reader.ts';

/** How often a follower is asked. Polling sees what file events miss: rotation, network file systems, a file yet to come. */
export const FOLLOW_MS = 200;

const BLOCK_BYTES = 64 * 1024;
/** A line longer than this is no trace line. */
const LINE_MAX_BYTES = 1024 * 1024;
/** Rotated files that are looked through for the place where reading stopped. */
const BACKUPS_MAX = 100;

/** The file being read: its inode cannot be given to another file while it is open. */
type OpenFile = { readonly handle: FileHandle; readonly ino: number; position: number; carry: Buffer };

/**
 * Reads what is appended to a trace from now on, through rotations and through a file that does not exist yet. Only
 * whole lines count; a line that is torn or foreign is passed over.
 */
export class TraceFollower {
  readonly #path: string;
  #file: OpenFile | null = null;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Starts behind the last whole line of the file. Throws what the file system says, but not that the file is missing. */
  static async open(path: string): Promise<TraceFollower> {
    const follower = new TraceFollower(path);
    const file = await openIfThere(path);
    if (file !== null) {
      file.position = await endOfLastLine(file.handle);
      follower.#file = file;
    }
    return follower;
  }

  /** The events appended since the last call, oldest first. */
  async next(): Promise<TraceEvent[]> {
    const events: TraceEvent[] = [];
    if (this.#file === null) {
      this.#file = await openIfThere(this.#path);
      if (this.#file !== null) await readOn(this.#file, events);
      return events;
    }
    const inPlace = await inodeOf(this.#path);
    // Whatever was written before the rotation is in the old file by now.
    await readOn(this.#file, events);
    if (inPlace === this.#file.ino) return events;
    for (const path of await this.#filesSince(this.#file.ino)) {
      const file = await openIfThere(path);
      if (file === null) continue;
      await this.close();
      this.#file = file;
      await readOn(file, events);
    }
    return events;
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.handle.close().catch(() => undefined);
  }

  /** The files written after the one with that inode, oldest first: `.2`, `.1`, the trace itself. */
  async #filesSince(ino: number): Promise<string[]> {
    const paths = [this.#path];
    for (let n = 1; n <= BACKUPS_MAX; n++) {
      const backup = `${this.#path}.${n}`;
      const found = await inodeOf(backup);
      if (found === ino) return paths;
      // Gone from the disk: what lies between cannot be told from what was read.
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

async function readOn(file: OpenFile, events: TraceEvent[]): Promise<void> {
  const { size } = await file.handle.stat();
  if (size < file.position) {
    // Emptied in place.
    file.position = 0;
    file.carry = Buffer.alloc(0);
  }
  const block = Buffer.alloc(Math.min(BLOCK_BYTES, Math.max(size - file.position, 0)));
  while (file.position < size) {
    const { bytesRead } = await file.handle.read(block, 0, Math.min(block.length, size - file.position), file.position);
    if (bytesRead === 0) return;
    file.position += bytesRead;
    const text = Buffer.concat([file.carry, block.subarray(0, bytesRead)]);
    const end = text.lastIndexOf(0x0a) + 1;
    const rest = text.subarray(end);
    file.carry = rest.length > LINE_MAX_BYTES ? Buffer.alloc(0) : rest;
    for (const line of text.subarray(0, end).toString('utf8').split('\n')) {
      const event = line === '' ? null : parseTraceLine(line);
      if (event !== null) events.push(event);
    }
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
