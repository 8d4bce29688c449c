import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../files/bounded-file.ts';
import { versionIn } from '../files/version.ts';
import { mapInBatches } from './batches.ts';
import { cleanPath } from './display-text.ts';

/** `any`: a bare `.bak`, whose format only its content tells. */
export type AuthFormat = 'env' | 'toml' | 'json' | 'any';

export type AuthFile = {
  readonly path: string;
  /** Relative to the auths folder, for display. */
  readonly name: string;
  readonly format: AuthFormat;
  /** The file's name less its extensions; empty for a file named `.env`. */
  readonly stem: string;
  /** Name of the folder below the auths folder, or null for a file directly in it. */
  readonly subfolder: string | null;
};

export type FolderListing = {
  readonly exists: boolean;
  /** Name order; the folder's own files before those one level below. */
  readonly files: readonly AuthFile[];
  /** Paths of files whose names are none of an auth file, in the same order. */
  readonly others: readonly string[];
  /** The auths folder and those below it. */
  readonly folders: readonly string[];
  /** Folders two levels below, which are not looked into. */
  readonly deeper: readonly string[];
  /** Folders that exist and cannot be listed. `code` is the system's. */
  readonly unreadable: readonly { readonly path: string; readonly code: string }[];
};

/** Lists what `_auths` offers. Never throws. */
export async function listAuthFolder(folder: string): Promise<FolderListing> {
  const top = await listFolder(folder);
  if ('code' in top) {
    const exists = top.code !== 'ENOENT';
    const unreadable = exists ? [{ path: folder, code: top.code }] : [];
    return { exists, files: [], others: [], folders: [folder], deeper: [], unreadable };
  }
  const files: AuthFile[] = [];
  const others: string[] = [];
  const deeper: string[] = [];
  const sortIn = (subfolder: string | null, names: readonly string[]) => {
    for (const name of names) {
      const file = describe(folder, subfolder, name);
      if (file !== null) files.push(file);
      else others.push(join(folder, subfolder ?? '', name));
    }
  };
  sortIn(null, top.files);
  const unreadable: { path: string; code: string }[] = [];
  for (const subfolder of top.folders) {
    const below = await listFolder(join(folder, subfolder));
    if ('code' in below) unreadable.push({ path: join(folder, subfolder), code: below.code });
    // A hidden folder is another program's, such as Git's: what it holds is meant for that one, unless it is a key by its name.
    else sortIn(subfolder, subfolder.startsWith('.') ? below.files.filter((name) => formatOf(name) !== null) : below.files);
    if (!('code' in below) && !subfolder.startsWith('.')) {
      deeper.push(...below.folders.filter((name) => !name.startsWith('.')).map((name) => join(folder, subfolder, name)));
    }
  }
  const folders = [folder, ...top.folders.map((subfolder) => join(folder, subfolder))];
  return { exists: true, files, others, folders, deeper, unreadable };
}

/** The format a file name stands for, or null for a file that is none of ours. */
export function formatOf(name: string): { readonly format: AuthFormat; readonly stem: string } | null {
  // Shadows that macOS (`._x`) and editors (`.#x`) put beside a file.
  if (name.startsWith('._') || name.startsWith('.#')) return null;
  const match = /^(.*?)(?:\.(env|toml|json))?(\.bak)?$/is.exec(name);
  const [, stem = '', inner, backup] = match ?? [];
  if (inner !== undefined) return { format: inner.toLowerCase() as AuthFormat, stem };
  return backup === undefined ? null : { format: 'any', stem };
}

export type SignedListing = FolderListing & { readonly signature: string };

/**
 * Lists the folder and signs it: `signature` changes whenever a file that may hold a key appears, goes, or is written, replaced or made readable. Costs one `stat` a file and
 * reads no content. Never throws.
 */
export async function signFolder(folder: string): Promise<SignedListing> {
  const listing = await listAuthFolder(folder);
  const { exists, files, unreadable } = listing;
  const hash = createHash('sha256').update(JSON.stringify([exists, unreadable]));
  for (const line of await mapInBatches(files, signFile)) hash.update(line);
  return { ...listing, signature: hash.digest('base64url') };
}

async function signFile({ path, name }: AuthFile): Promise<string> {
  try {
    return JSON.stringify([name, versionIn(await stat(path, { bigint: true }))]);
  } catch (error) {
    return JSON.stringify([name, codeOf(error)]);
  }
}

function describe(folder: string, subfolder: string | null, fileName: string): AuthFile | null {
  const format = formatOf(fileName);
  if (format === null) return null;
  const name = subfolder === null ? fileName : join(subfolder, fileName);
  return { path: join(folder, name), name: cleanPath(name), ...format, subfolder };
}

async function listFolder(folder: string): Promise<{ files: string[]; folders: string[] } | { code: string }> {
  try {
    const files: string[] = [];
    const folders: string[] = [];
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const isFolder = entry.isDirectory() || (entry.isSymbolicLink() && (await isLinkToFolder(join(folder, entry.name))));
      if (!isFolder) files.push(entry.name);
      // `..data` and the like: how mounted secrets are swapped; the same files are linked from the folder itself.
      else if (!entry.name.startsWith('..')) folders.push(entry.name);
    }
    return { files: files.sort(byCodeUnits), folders: folders.sort(byCodeUnits) };
  } catch (error) {
    return { code: codeOf(error) };
  }
}

async function isLinkToFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

/** Not by locale: the order decides which of two equal keys counts, and must be the same everywhere. */
function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
