import { chown, readFile, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { reasonOf } from '../errors.ts';
import { refuseForeign } from './owner.ts';
import { makePrivateFolder, replaceFile } from './private.ts';
import { decodeText, encodeText } from './text-bytes.ts';

/** `refused`: the file is no text, larger than 1 MiB, or the edit said no; it stands as it was. */
export type EditOutcome = 'written' | 'unchanged' | 'refused';

const LARGEST_BYTES = 1024 * 1024;
const EMPTY = { text: '', form: 'utf-8' } as const;

/**
 * Rewrites a small text file atomically; it ends up private (600). A missing file counts as empty. A symbolic link stays, its
 * target changes. `edit` gets the whole text, a byte order mark included, and answers the new one, or null to leave it;
 * it is written in the encoding the file had.
 * Throws what the file system says, and for a file or link of another user.
 */
export async function editPrivateFile(path: string, edit: (text: string) => string | null): Promise<EditOutcome> {
  await refuseForeign(path);
  const file = await realpath(path).catch((error: unknown) => {
    if (reasonOf(error) === 'ENOENT') return path;
    throw error;
  });
  const before = await readBytes(file);
  const old = before === null ? EMPTY : before.bytes === null ? null : decodeText(before.bytes);
  if (old === null) return 'refused';
  const { text, form } = old;
  const edited = edit(text);
  if (edited === null) return 'refused';
  if (edited === text) return 'unchanged';
  await makePrivateFolder(dirname(file));
  await replaceFile(file, encodeText(edited, form));
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
