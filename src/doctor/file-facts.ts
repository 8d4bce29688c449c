import { constants } from 'node:fs';
import { access, lstat, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { reasonOf } from '../errors.ts';
import type { FileFact } from './checks-files.ts';

const STICKY = 0o1000;

/**
 * A path as it is on disk; null when there is nothing, and for what is not ours to judge or close: a symbolic link, a
 * folder that users share (sticky, such as /tmp), the root.
 */
export async function lookAt(path: string): Promise<FileFact | null> {
  try {
    const stats = await lstat(path);
    const isShared = stats.isDirectory() && ((stats.mode & STICKY) !== 0 || dirname(path) === path);
    if ((!stats.isFile() && !stats.isDirectory()) || isShared) return null;
    return {
      path,
      kind: stats.isDirectory() ? 'folder' : 'file',
      mode: process.platform === 'win32' ? null : stats.mode & 0o777,
      isOwn: process.getuid === undefined || stats.uid === process.getuid(),
      bytes: stats.size,
      changedAt: stats.mtimeMs,
    };
  } catch {
    return null;
  }
}

export async function lookAtAll(paths: readonly string[]): Promise<readonly FileFact[]> {
  const facts = await Promise.all([...new Set(paths)].map(lookAt));
  return facts.filter((fact) => fact !== null);
}

/** The paths in a folder whose names begin with that of `path`: a log and its rotated files. Empty for a missing folder. */
export async function withRotated(path: string): Promise<readonly string[]> {
  const name = basename(path);
  const names = await readdir(dirname(path)).catch(() => []);
  return names.filter((each) => each === name || each.startsWith(`${name}.`)).map((each) => join(dirname(path), each));
}

/** Why files cannot be made in a folder, or in the nearest one above it that exists; null when they can. */
export async function whyNotWritable(folder: string): Promise<string | null> {
  try {
    if (!(await stat(folder)).isDirectory()) return 'ENOTDIR';
    await access(folder, constants.W_OK | constants.X_OK);
    return null;
  } catch (error) {
    const reason = reasonOf(error);
    const parent = dirname(folder);
    return reason === 'ENOENT' && parent !== folder ? whyNotWritable(parent) : reason;
  }
}
