import { open, stat } from 'node:fs/promises';
import type { Zone } from '../core/text/zoned-time.ts';
import { reasonOf } from '../errors.ts';
import { splitLines } from '../files/line-follower.ts';
import { sinceFilter, timeOfLine } from './since.ts';

export type TailOptions = {
  /** At most this many lines, the newest. */
  readonly count: number;
  /** Epoch ms; older lines are left out. */
  readonly since: number | null;
  readonly zone: Zone;
};

export type Tail = {
  /** Oldest first. */
  readonly lines: readonly string[];
  /** A last line without its end: still being written, or torn by a crash. Empty when there is none. */
  readonly rest: string;
  /** Byte of the file behind the last whole line: where following goes on. */
  readonly position: number;
};

const BLOCK_BYTES = 64 * 1024;
const BACKUPS_MAX = 100;

/**
 * The newest lines of a log; null when there is none. With `since`, rotated files (`.1`, `.2`) are read too, as far back as they
 * reach into that time.
 */
export async function readTail(path: string, { count, since, zone }: TailOptions): Promise<Tail | null> {
  const newest = await readFrom(path, since === null ? count : Number.POSITIVE_INFINITY);
  if (newest === null) return null;
  const { rest, position } = newest;
  if (since === null) return { lines: lastOf(newest.lines, count), rest, position };
  const files = [newest.lines];
  for (let n = 1; n <= BACKUPS_MAX && mayReachFurther(files[0] as string[], since, zone); n++) {
    const older = await readFrom(`${path}.${n}`, Number.POSITIVE_INFINITY);
    if (older === null) break;
    files.unshift(older.lines);
  }
  const passes = sinceFilter(since, zone);
  return { lines: lastOf(files.flat().filter(passes), count), rest, position };
}

function mayReachFurther(lines: readonly string[], since: number, zone: Zone): boolean {
  for (const line of lines) {
    const at = timeOfLine(line, zone);
    if (at !== null) return at >= since;
  }
  // A file without a single time does not say; text without times is not searched for more of it.
  return lines.length === 0;
}

function lastOf(lines: readonly string[], count: number): readonly string[] {
  return count >= lines.length ? lines : lines.slice(lines.length - count);
}

type FileEnd = { readonly lines: string[]; readonly rest: string; readonly position: number };

/** The last lines of a file, at least `count` of them where it has as many. */
async function readFrom(path: string, count: number): Promise<FileEnd | null> {
  if (!(await isFile(path))) return null;
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    let start = size;
    let breaks = 0;
    const blocks: Buffer[] = [];
    while (start > 0 && breaks <= count) {
      const length = Math.min(BLOCK_BYTES, start);
      start -= length;
      const { buffer } = await handle.read(Buffer.alloc(length), 0, length, start);
      for (const byte of buffer) if (byte === 0x0a) breaks += 1;
      blocks.unshift(buffer);
    }
    const text = Buffer.concat(blocks);
    const end = text.lastIndexOf(0x0a) + 1;
    // Unless it begins with the file, the text begins in the middle of a line.
    const begin = start === 0 ? 0 : text.indexOf(0x0a) + 1;
    const lines = splitLines(text.toString('utf8', begin, Math.max(begin, end)));
    return { lines, rest: text.toString('utf8', end), position: start + end };
  } finally {
    await handle.close();
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (reasonOf(error) === 'ENOENT' || reasonOf(error) === 'ENOTDIR') return false;
    throw error;
  }
}
