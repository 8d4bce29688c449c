import { chown, readFile, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { reasonOf } from '../errors.ts';
import { refuseForeign } from './owner.ts';
import { makePrivateFolder, replaceFile } from './private.ts';

/** `refused`: the file is not UTF-8, larger than 1 MiB, or the edit said no; it stands as it was. */
export type EditOutcome = 'written' | 'unchanged' | 'refused';

const LARGEST_BYTES = 1024 * 1024;

/**
 * Rewrites a small text file atomically; it ends up private (600). A missing file counts as empty. A symbolic link stays, its
 * target changes. `edit` gets the whole text, a byte order mark included, and answers the new one, or null to leave it.
 * Throws what the file system says, and for a file or link of another user.
 */
export async function editPrivateFile(path: string, edit: (text: string) => string | null): Promise<EditOutcome> {
  await refuseForeign(path);
  const file = await realpath(path).catch((error: unknown) => {
    if (reasonOf(error) === 'ENOENT') return path;
    throw error;
  });
  const before = await readBytes(file);
  const text = before === null ? '' : before.bytes === null ? null : decode(before.bytes);
  if (text === null) return 'refused';
  const edited = edit(text);
  if (edited === null) return 'refused';
  if (edited === text) return 'unchanged';
  await makePrivateFolder(dirname(file));
  await replaceFile(file, edited);
  // Root may edit another user's file; it must stay that user's.
  if (before !== null && process.getuid?.() === 0 && before.uid !== 0) await chown(file, before.uid, before.gid);
  return 'written';
}

/** Null when there is no file; without its bytes when there are too many. */
async function readBytes(file: string): Promise<{ bytes: Buffer | null; uid: number; gid: number } | null> {
  try {
    const { size, uid, gid } = await stat(file);
    return { bytes: size > LARGEST_BYTES ? null : await readFile(file), uid, gid };
  } catch (error) {
    if (reasonOf(error) === 'ENOENT') return null;
    throw error;
  }
}

function decode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
