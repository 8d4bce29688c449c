import { accessSync, constants, readFileSync, type Stats, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { basename, dirname, relative } from 'node:path';
import { shellWord } from '../core/clients/shell-quote.ts';
import { reasonOf } from '../errors.ts';

/** What keeps this process from a path, and what to do about it; both are sentences. */
export type Obstacle = { readonly text: string; readonly fix: string };

const DENIED: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EROFS']);

/**
 * The file or folder that really is the matter when the system refused a path: a folder above it that is closed, the path
 * itself, or the folder it should be made in. `own` are the folders and files meant for kmi alone: only for them and what
 * is in them is a change of owner the remedy. Null for errors of another kind. Looks at the disk.
 */
export function explainDenied(thrown: unknown, own: readonly string[]): Obstacle | null {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    const { code = '', path } = error as NodeJS.ErrnoException;
    if (DENIED.has(code) && typeof path === 'string') return obstacleTo(path, own);
  }
  return null;
}

/** What keeps this process from reading a path and, unless only reading is needed, writing it, as far as the disk shows it. */
export function obstacleTo(path: string, own: readonly string[], need: 'read' | 'write' = 'write'): Obstacle | null {
  const culprit = closedAncestor(dirname(path)) ?? refusing(path, need);
  if (culprit === null) return null;
  const { stats } = culprit;
  const what = `The ${stats.isDirectory() ? 'folder' : 'file'} ${culprit.path}`;
  if (culprit.code === 'EROFS') return { text: `${what} is on a disk that is read-only.`, fix: OTHER_FOLDERS };
  const isShut = culprit.lacks !== constants.W_OK;
  const user = process.getuid?.();
  if (stats.uid === user) {
    const bits = stats.isDirectory() ? 'u+rwx' : 'u+rw';
    return {
      text: `${what} is yours, but its permissions ${isShut ? 'keep you out' : 'let you write nothing there'}.`,
      fix: `Open it to yourself: chmod ${bits} ${shellWord(culprit.path)}`,
    };
  }
  const text = `${what} belongs to ${ownerName(stats.uid)}, and you cannot ${isShut ? 'read' : 'write to'} it.`;
  const root = own.find((each) => isWithin(culprit.path, each));
  return { text, fix: root === undefined ? OTHER_FOLDERS : giveBack(root) };
}

const OTHER_FOLDERS = 'Name folders of your own with KMI_STATE_DIR and KMI_AUTHS_DIR.';

/** The command that makes a folder, and what is in it, this user's again. */
export function giveBack(path: string): string {
  return `Make it yours again: sudo chown -R ${shellWord(ownerName(process.getuid?.() ?? 0))} ${shellWord(path)}`;
}

type Culprit = {
  readonly path: string;
  readonly stats: Stats;
  /** The right that is missing, and the system's code for it. */
  readonly lacks: number;
  readonly code: string;
};

/** The topmost folder of a path that cannot be entered. */
function closedAncestor(folder: string): Culprit | null {
  const parent = dirname(folder);
  if (parent !== folder) {
    const above = closedAncestor(parent);
    if (above !== null) return above;
  }
  const culprit = lacking(folder, constants.X_OK);
  // A file in the place of a folder is another matter.
  return culprit?.stats.isDirectory() ? culprit : null;
}

/** The path where it is there and denies something; else the folder above it, in which nothing can be made or replaced. */
function refusing(path: string, need: 'read' | 'write'): Culprit | null {
  for (let each = path; ; each = dirname(each)) {
    const stats = look(each);
    for (const right of stats === null ? [] : rightsFor(stats, need)) {
      const culprit = lacking(each, right);
      if (culprit !== null) return culprit;
    }
    if (need === 'read' || (stats !== null && each !== path) || dirname(each) === each) return null;
  }
}

function rightsFor(stats: Stats, need: 'read' | 'write'): readonly number[] {
  const { R_OK, W_OK, X_OK } = constants;
  return [R_OK, ...(stats.isDirectory() ? [X_OK] : []), ...(need === 'write' ? [W_OK] : [])];
}

function lacking(path: string, right: number): Culprit | null {
  try {
    accessSync(path, right);
    return null;
  } catch (error) {
    const code = reasonOf(error);
    if (!DENIED.has(code)) return null;
    const stats = look(path);
    return stats === null ? null : { path, stats, lacks: right, code };
  }
}

function look(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

function isWithin(path: string, folder: string): boolean {
  const below = relative(folder, path);
  return below === '' || (!below.startsWith('..') && basename(below) !== '');
}

/** The name the system has for a user, or "user 1001". */
export function ownerName(uid: number): string {
  if (uid === 0) return 'root';
  try {
    if (uid === process.getuid?.()) return userInfo().username;
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((each) => each.split(':')[2] === String(uid));
    if (line !== undefined) return line.slice(0, line.indexOf(':'));
  } catch {
    // A user without a name, or a system without the file.
  }
  return uid === process.getuid?.() ? String(uid) : `user ${uid}`;
}
