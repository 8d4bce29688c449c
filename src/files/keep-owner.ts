import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Root in another user's name: what is made in that user's folders must be that user's, or it is out of reach once root
 * has gone. Root of its own accord, as in a container, keeps what it makes.
 */
function isInAnothersName(environment = process.env): boolean {
  if (process.getuid?.() !== 0) return false;
  return environment.SUDO_UID !== undefined || environment.DOAS_USER !== undefined || environment.PKEXEC_UID !== undefined;
}

/** Gives a file that was just made in `folder` to the owner of that folder, under sudo and the like. */
export async function keepOwner(made: FileHandle, folder: string): Promise<void> {
  if (!isInAnothersName()) return;
  const { uid, gid } = await stat(folder);
  if (uid !== 0) await made.chown(uid, gid);
}

/** The same for a folder that was just made. */
export async function keepOwnerOfFolder(folder: string): Promise<void> {
  if (!isInAnothersName()) return;
  // Opened first: what a user put in its place meanwhile is not handed over.
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  const handle = await open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    if ((await handle.stat()).uid === 0) await keepOwner(handle, dirname(folder));
  } finally {
    await handle.close();
  }
}
