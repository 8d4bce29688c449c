import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { reasonOf } from '../errors.ts';
import { keepOwner } from './keep-owner.ts';
import { PRIVATE_FILE } from './private.ts';

/**
 * Does the file belong to somebody who is not to be trusted: neither this user nor root? Root reads everybody's files
 * (containers), Windows has no owners.
 */
export function isForeign(owner: number, user: number | undefined = process.getuid?.()): boolean {
  return user !== undefined && user !== 0 && owner !== user && owner !== 0;
}

/** The words end up in a message: "... cannot be read (it belongs to another user)". */
const foreign = () => new Error('it belongs to another user');

/**
 * Throws when the path is another user's file, or a symbolic link that another user put there: in a folder that users
 * share, it could make us read or overwrite what its maker chose. A missing path is no problem. Throws what the file
 * system says, too.
 */
export async function refuseForeign(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  try {
    const entry = await lstat(path);
    if (!entry.isSymbolicLink()) {
      if (isForeign(entry.uid)) throw foreign();
      return;
    }
    await refuseForeignLink(path, entry);
    if (isForeign((await stat(path)).uid)) throw foreign();
  } catch (error) {
    if (reasonOf(error) !== 'ENOENT' && reasonOf(error) !== 'ENOTDIR') throw error;
  }
}

/** As Linux does in sticky folders (proc(5), protected_symlinks): root may follow a user's link in that user's own folder. */
async function refuseForeignLink(path: string, { uid }: Stats): Promise<void> {
  const user = process.getuid?.();
  if (uid === user || uid === 0) return;
  if (user === 0 && (await stat(dirname(path))).uid === uid) return;
  throw foreign();
}

/**
 * Opens a private file to append to, making it (600 whatever the umask) when it is not there. Never writes through a link
 * or into a file of another user: in a shared folder somebody may have put one there first.
 */
export async function openToAppend(path: string): Promise<FileHandle> {
  await refuseForeign(path);
  const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_RDWR } = constants;
  const isLink = await lstat(path).then(
    (entry) => entry.isSymbolicLink(),
    () => false,
  );
  try {
    // Between the look and the opening a link may have appeared: one that was not seen is not followed.
    return await open(path, O_RDWR | O_APPEND | (isLink ? 0 : O_NOFOLLOW));
  } catch (error) {
    if (reasonOf(error) !== 'ENOENT') throw error;
  }
  const handle = await open(path, O_RDWR | O_APPEND | O_CREAT | (isLink ? 0 : O_EXCL), PRIVATE_FILE).catch((error: unknown) => {
    // Another process was faster.
    if (reasonOf(error) === 'EEXIST') return null;
    throw error;
  });
  if (handle === null) return openToAppend(path);
  if (process.platform !== 'win32') await handle.chmod(PRIVATE_FILE);
  await keepOwner(handle, dirname(path));
  return handle;
}
