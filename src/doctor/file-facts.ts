import { statSync } from 'node:fs';
import { lstat, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { reasonOf } from '../errors.ts';
import { type Obstacle, obstacleTo, ownerName } from '../files/access.ts';
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
      owner: ownerName(stats.uid),
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

/** The paths in a folder; empty for one that is missing or closed. */
export async function filesIn(folder: string): Promise<readonly string[]> {
  return (await readdir(folder).catch(() => [])).map((name) => join(folder, name));
}

/** What keeps us from files and folders that are there, each obstacle once. */
export function obstaclesAt(paths: readonly string[], own: readonly string[], need: 'read' | 'write'): readonly Obstacle[] {
  const found = new Map<string, Obstacle>();
  for (const path of paths.filter(mayBeThere)) {
    const obstacle = obstacleTo(path, own, need);
    if (obstacle !== null) found.set(obstacle.text, obstacle);
  }
  return [...found.values()];
}

function mayBeThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

/** Why files cannot be made in the state folder, or in the nearest one above it that exists; null when they can. */
export async function whyNotWritable(folder: string): Promise<Obstacle | null> {
  const denied = obstacleTo(folder, [folder]);
  if (denied !== null) return denied;
  const reason = await whyNoFolder(folder);
  const fix = 'Remove what is in its place, or name another with KMI_STATE_DIR.';
  return reason === null ? null : { text: `${folder} cannot be a folder (${reason}).`, fix };
}

async function whyNoFolder(folder: string): Promise<string | null> {
  try {
    return (await stat(folder)).isDirectory() ? null : 'ENOTDIR';
  } catch (error) {
    const reason = reasonOf(error);
    const parent = dirname(folder);
    return reason === 'ENOENT' && parent !== folder ? whyNoFolder(parent) : reason;
  }
}
