import { lstat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hardenPermissions } from '../files/private.ts';
import { listAuthFolder } from './auth-folder.ts';
import { mapInBatches } from './batches.ts';
import { cleanPath } from './display-text.ts';

/**
 * Takes group and world off the auths folder, the folders in it and every auth file (700/600), unless `enforce` is off. Answers
 * what other users can still reach, as paths for display: files of another user, or everything open when nothing was changed.
 * Symbolic links are left alone. Never throws.
 */
export async function hardenAuths(folder: string, { enforce }: { readonly enforce: boolean }): Promise<readonly string[]> {
  if (process.platform === 'win32') return [];
  const { exists, files } = await listAuthFolder(folder);
  if (!exists) return [];
  const paths = [...new Set([folder, ...files.flatMap(({ path }) => [dirname(path), path])])];
  const open = await mapInBatches(paths, async (path) => {
    if (!(await isOpen(path))) return null;
    if (enforce) await hardenPermissions(path);
    return !enforce || (await isOpen(path)) ? cleanPath(path) : null;
  });
  return open.filter((path) => path !== null);
}

async function isOpen(path: string): Promise<boolean> {
  try {
    const stats = await lstat(path);
    return !stats.isSymbolicLink() && (stats.mode & 0o077) !== 0;
  } catch {
    return false;
  }
}
