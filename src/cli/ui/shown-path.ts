import { relative } from 'node:path';

/** A path as short as it can be said: from the folder we are in, else from the home folder. */
export function shownPath(path: string, { cwd, home }: { readonly cwd: string; readonly home: string | null }): string {
  const near = relative(cwd, path);
  if (near !== '' && !near.startsWith('..')) return near;
  if (home === null) return path;
  const below = relative(home, path);
  return below === '' || below.startsWith('..') ? path : `~/${below}`;
}

/** The path below the first of these folders that it is in, else the whole path. */
export function shortPath(file: string, ...folders: readonly string[]): string {
  const short = folders.map((folder) => relative(folder, file)).find((path) => path !== '' && !path.startsWith('..'));
  return short ?? file;
}
