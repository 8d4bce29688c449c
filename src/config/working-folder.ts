import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { reasonOf } from '../errors.ts';
import { homeFolder } from './home-folder.ts';

export type WorkingFolder = {
  readonly path: string;
  /** Why the folder kmi was called in is of no use; null when it is `path`. */
  readonly problem: string | null;
};

/**
 * The folder kmi was called in. A shell may stand in one that was deleted, unmounted or closed to this user: `path` is
 * then the home's own folder, whose settings and keys count there too.
 */
export function workingFolder(): WorkingFolder {
  try {
    const path = process.cwd();
    accessSync(path, constants.X_OK);
    return { path, problem: null };
  } catch (error) {
    return { path: join(homeFolder(), '.kmi'), problem: problemOf(error) };
  }
}

/** What `process.cwd()` and looking into the folder say. */
function problemOf(error: unknown): string {
  const reason = reasonOf(error);
  if (reason === 'ENOENT') return 'has been deleted';
  return reason === 'EACCES' || reason === 'EPERM' ? 'is closed to you' : `cannot be reached (${reason})`;
}
