import { type FileHandle, mkdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { reasonOf } from '../errors.ts';
import { openToAppend } from './owner.ts';
import { makePrivateFolder } from './private.ts';

export type RotatingFileOptions = {
  readonly path: string;
  /** Rotates before the file grows past this; 0 = never. */
  readonly maxBytes: number;
  /** Rotated files kept, as `.1` (newest) and up. */
  readonly backups: number;
};

/**
 * Appends text to a file, one write after another. Notices that the file was rotated, replaced or deleted by somebody
 * else and goes on with the one now in its place; never leaves a torn line of an earlier crash joined to a new one.
 */
export class RotatingFile {
  readonly #options: RotatingFileOptions;
  #open: { handle: FileHandle; ino: number; size: number } | null = null;
  #queue: Promise<void> = Promise.resolve();

  constructor(options: RotatingFileOptions) {
    this.#options = options;
  }

  /**
   * `text` ends with a newline; given as bytes it must not change until it is written. Rejects with what the file system
   * says; the text is then not written.
   */
  append(text: string | Buffer): Promise<void> {
    const written = this.#queue.then(() => this.#write(text));
    this.#queue = written.catch(() => undefined);
    return written;
  }

  async close(): Promise<void> {
    await this.#queue;
    await this.#release();
  }

  async #write(text: string | Buffer): Promise<void> {
    const bytes = typeof text === 'string' ? Buffer.from(text) : text;
    const { maxBytes } = this.#options;
    let file = await this.#current();
    if (maxBytes > 0 && file.size > 0 && file.size + bytes.length > maxBytes) {
      await this.#rotateAlone(file.ino);
      file = await this.#current();
    }
    try {
      await file.handle.appendFile(bytes);
      file.size += bytes.length;
    } catch (error) {
      // A write that failed half way must not be followed by another on the same line.
      await this.#release();
      throw error;
    }
  }

  async #current(): Promise<{ handle: FileHandle; ino: number; size: number }> {
    const { path } = this.#options;
    if (this.#open !== null) {
      const inPlace = await stat(path).catch(() => null);
      if (inPlace !== null && inPlace.ino === this.#open.ino) {
        this.#open.size = inPlace.size;
        return this.#open;
      }
      await this.#release();
    }
    await makePrivateFolder(dirname(path));
    const handle = await openToAppend(path);
    try {
      const { ino, size } = await handle.stat();
      if (size > 0 && !(await endsWithNewline(handle, size))) await handle.appendFile('\n');
      this.#open = { handle, ino, size };
      return this.#open;
    } catch (error) {
      await handle.close().catch(() => undefined);
      throw error;
    }
  }

  /**
   * Rotates unless another process is at it or just was: two chains of renames at once would overwrite each other's
   * files. The file then grows past its size until the next write.
   */
  async #rotateAlone(ino: number): Promise<void> {
    const { path } = this.#options;
    const mark = `${path}.rotating`;
    try {
      await mkdir(mark);
    } catch (error) {
      if (reasonOf(error) !== 'EEXIST') throw error;
      await removeAbandoned(mark);
      return;
    }
    try {
      const inPlace = await stat(path).catch(() => null);
      if (inPlace?.ino === ino) await this.#rotate();
    } finally {
      await rmdir(mark).catch(() => undefined);
    }
  }

  async #rotate(): Promise<void> {
    const { path, backups } = this.#options;
    await this.#release();
    if (backups === 0) {
      await rm(path, { force: true });
      return;
    }
    for (let n = backups; n >= 1; n--) {
      await rename(n === 1 ? path : `${path}.${n - 1}`, `${path}.${n}`).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
    }
  }

  async #release(): Promise<void> {
    const opened = this.#open;
    this.#open = null;
    await opened?.handle.close().catch(() => undefined);
  }
}

/** A process that was killed while it rotated leaves its mark; renaming takes milliseconds. */
async function removeAbandoned(mark: string): Promise<void> {
  const made = await stat(mark).catch(() => null);
  if (made !== null && Math.abs(Date.now() - made.mtimeMs) > ABANDONED_MS) await rmdir(mark).catch(() => undefined);
}

const ABANDONED_MS = 10_000;

async function endsWithNewline(handle: FileHandle, size: number): Promise<boolean> {
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer[0] === 0x0a;
}
