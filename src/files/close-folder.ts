import { chmodSync, lstatSync, readdirSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { PRIVATE_FILE, PRIVATE_FOLDER } from './private.ts';

/** What kmi keeps in its state folder, backups and temporary files included. The client token is refused when others could read it. */
const KEPT = /^(?:state\.json|sessions\.bin|uploads\.json|quota\.json|proxy\.pid|proxy\.stopping|device_id)(?:\.|$)/;
const KEPT_FOLDERS: readonly string[] = ['logs', 'trace', 'usage', 'proxies', 'logins'];
/** More than a folder of ours holds; looking at each takes some microseconds. */
const ENTRIES_MAX = 500;

/**
 * Takes group and world off the state folder and what kmi keeps in it (700/600). Links, other users' files and folders that
 * users share are left alone, and the home folder that serves as state folder keeps its own mode. Never throws. It runs before
 * every command, so it asks the system in one go, not file by file in the background.
 */
export function closeStateFolder(stateDir: string, home: string | null): void {
  if (process.platform === 'win32' || !close(stateDir, 'folder', stateDir === home)) return;
  for (const name of namesIn(stateDir)) if (KEPT.test(name)) close(join(stateDir, name), 'file');
  for (const folder of KEPT_FOLDERS.map((name) => join(stateDir, name))) {
    if (!close(folder, 'folder')) continue;
    for (const name of namesIn(folder)) close(join(folder, name), 'file');
  }
}

/** Whether the path is a file or folder, as asked, of this user's. */
function close(path: string, kind: 'file' | 'folder', asItIs = false): boolean {
  try {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined || stats.uid !== process.getuid?.() || !isOf(stats, kind)) return false;
    const isOpen = (stats.mode & 0o077) !== 0;
    if (isOpen && !asItIs) chmodSync(path, kind === 'folder' ? PRIVATE_FOLDER : PRIVATE_FILE);
    return true;
  } catch {
    // On a disk that is read-only, or in a folder of somebody else's, it stays as it is.
    return false;
  }
}

const STICKY = 0o1000;

function isOf(stats: Stats, kind: 'file' | 'folder'): boolean {
  return kind === 'file' ? stats.isFile() : stats.isDirectory() && (stats.mode & STICKY) === 0;
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).slice(0, ENTRIES_MAX);
  } catch {
    return [];
  }
}
