import { randomBytes } from 'node:crypto';
import { chmod, type FileHandle, lstat, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { reasonOf } from '../errors.ts';
import { keepOwner, keepOwnerOfFolder } from './keep-owner.ts';

export const PRIVATE_FILE = 0o600;
export const PRIVATE_FOLDER = 0o700;

/** Makes the folder and its parents; folders it makes are 700 whatever the umask. */
export async function makePrivateFolder(folder: string): Promise<void> {
  const parent = dirname(folder);
  try {
    await mkdir(folder, { mode: PRIVATE_FOLDER });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && parent !== folder) {
      await makePrivateFolder(parent);
      return makePrivateFolder(folder);
    }
    // A folder, or a link to one, is there already.
    if (code === 'EEXIST' && (await stat(folder)).isDirectory()) return;
    throw error;
  }
  if (process.platform !== 'win32') await chmod(folder, PRIVATE_FOLDER);
  await keepOwnerOfFolder(folder);
}

/** Takes group and world off a file or folder (600/700). Leaves symbolic links, missing paths and other owners' files alone. */
export async function hardenPermissions(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  try {
    const stats = await lstat(path);
    if (stats.isSymbolicLink() || stats.uid !== process.getuid?.()) return;
    const wanted = stats.isDirectory() ? PRIVATE_FOLDER : PRIVATE_FILE;
    if ((stats.mode & 0o777) !== wanted) await chmod(path, wanted);
  } catch {
    // A file that went away meanwhile needs no hardening.
  }
}

/**
 * Replaces the file so that a reader, or a crash at any instant, sees the old text or the new, never a part.
 * The file gets mode 600. Throws what the file system says; the old file then still stands.
 */
export async function replaceFile(path: string, text: string | Uint8Array, { durable = true } = {}): Promise<void> {
  const temporary = temporaryOf(path);
  let handle: FileHandle | undefined;
  try {
    handle = await openPrivate(temporary);
    await handle.writeFile(text);
    if (durable) await handle.sync();
    await handle.close();
    handle = undefined;
    await rename(temporary, path);
  } catch (error) {
    await handle?.close().catch(() => undefined);
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  if (durable) await syncFolder(dirname(path));
}

/** A file that is about to be replaced. */
export type Replacement = {
  /** Replaces the file as `replaceFile` does, with as little left to do as there can be. Once. */
  readonly commit: (text: string) => Promise<void>;
  /** Leaves the file as it is. After `commit` it does nothing. Never throws. */
  readonly discard: () => Promise<void>;
};

/**
 * Does beforehand what may go wrong when a file is replaced: makes the temporary file and gives it room on the disk. For a text that
 * exists nowhere else once it is there. Throws what the file system says; nothing is left then.
 */
export async function prepareReplacement(path: string, { roomBytes }: { readonly roomBytes: number }): Promise<Replacement> {
  const temporary = temporaryOf(path);
  let handle: FileHandle | undefined;
  const discard = async () => {
    const open = handle;
    handle = undefined;
    if (open === undefined) return;
    await open.close().catch(() => undefined);
    await rm(temporary, { force: true }).catch(() => undefined);
  };
  const commit = async (text: string) => {
    if (handle === undefined) throw new Error('the replacement is used up');
    try {
      const bytes = Buffer.from(text);
      await handle.write(bytes, 0, bytes.length, 0);
      await handle.truncate(bytes.length);
      await handle.sync();
      await handle.close();
      await rename(temporary, path);
      handle = undefined;
    } catch (error) {
      await discard();
      throw error;
    }
    await syncFolder(dirname(path));
  };
  try {
    handle = await openPrivate(temporary);
    await handle.writeFile(Buffer.alloc(roomBytes, ' '));
    await handle.sync();
  } catch (error) {
    await discard();
    throw error;
  }
  return { commit, discard };
}

/** A new file of mode 600, whose owner is that of its folder where it must be. */
async function openPrivate(path: string): Promise<FileHandle> {
  const handle = await open(path, 'wx', PRIVATE_FILE);
  try {
    // The umask may have taken the owner's own rights off.
    if (process.platform !== 'win32') await handle.chmod(PRIVATE_FILE);
    await keepOwner(handle, dirname(path));
    return handle;
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(path, { force: true }).catch(() => undefined);
    throw error;
  }
}

function temporaryOf(path: string): string {
  return `${path}.${process.pid}.${randomBytes(6).toString('hex')}.tmp`;
}

/**
 * Removes the temporary files of writers of `path` that were killed half way. The caller must hold the lock that all its
 * writers take, so that no other writer is at work.
 */
export async function removeLeftovers(path: string): Promise<void> {
  const prefix = `${basename(path)}.`;
  const names = await readdir(dirname(path)).catch(() => []);
  for (const name of names) {
    if (!name.startsWith(prefix) || !/^\d+\.[0-9a-f]{12}\.tmp$/.test(name.slice(prefix.length))) continue;
    await rm(join(dirname(path), name), { force: true }).catch(() => undefined);
  }
}

/** Makes a rename survive a power cut; not every system lets a folder be synced. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    // Best effort: the file itself is on disk.
  }
}

/** Whether anything is at the path, a link to nowhere included. Throws what the file system says, but not that it is missing. */
export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (reasonOf(error) === 'ENOENT') return false;
    throw error;
  }
}
