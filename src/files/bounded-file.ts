import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { isForeign } from './owner.ts';

/** No auth file, login or Kimi config is anywhere near this; what is larger is something else. */
const LARGEST_FILE_BYTES = 1024 * 1024;

export type FileProblem = {
  readonly reason: 'unreadable' | 'not_owned' | 'too_large';
  /** One sentence for people, without text of the file. */
  readonly detail: string;
};

/** `code` is the system's, such as `ENOENT`; null when the system let us but we do not want to. */
export type ReadProblem = { readonly problem: FileProblem; readonly code: string | null };
export type BoundedFile = { readonly bytes: Buffer; readonly stats: Stats };

/** Reads a regular file of at most 1 MiB. Never waits on a pipe or device, never throws. Symbolic links are followed. */
export async function readBoundedFile(path: string): Promise<BoundedFile | ReadProblem> {
  let handle: FileHandle | undefined;
  try {
    // Non-blocking, because opening a pipe for reading would otherwise wait for its writer.
    handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const stats = await handle.stat();
    if (!stats.isFile()) return refuse('unreadable', 'It is not a regular file.');
    if (isForeign(stats.uid)) {
      return refuse('not_owned', 'The file belongs to another user; change its owner or make a copy of your own.');
    }
    const bytes = stats.size > LARGEST_FILE_BYTES ? null : await readAll(handle, stats.size);
    if (bytes === null) return refuse('too_large', 'The file is larger than 1 MiB.');
    return { bytes, stats };
  } catch (error) {
    return refuse('unreadable', `The file cannot be read (${codeOf(error)}).`, codeOf(error));
  } finally {
    await handle?.close().catch(() => undefined);
  }
}

function refuse(reason: FileProblem['reason'], detail: string, code: string | null = null): ReadProblem {
  return { problem: { reason, detail }, code };
}

/** All bytes, or null when there are too many: the size may be stale, or 0 for files that are made up while read. */
async function readAll(handle: FileHandle, expectedBytes: number): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  while (length <= LARGEST_FILE_BYTES) {
    const { bytesRead, buffer } = await handle.read({
      buffer: Buffer.allocUnsafe(Math.max(4096, expectedBytes + 1)),
      position: null,
    });
    if (bytesRead === 0) return Buffer.concat(chunks);
    chunks.push(buffer.subarray(0, bytesRead));
    length += bytesRead;
  }
  return null;
}

/** The system's code only: messages hold paths, and nothing else of use. */
export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException | null)?.code ?? 'unknown error';
}
