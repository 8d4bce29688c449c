import { basename } from 'node:path';
import type { Key } from '../core/keys/key.ts';
import type { FileRemark, SkippedFile } from './auth-entry.ts';
import { isKey, readAuthFile, type UpstreamRules } from './auth-files.ts';
import { type SignedListing, signFolder } from './auth-folder.ts';
import { mapInBatches } from './batches.ts';
import { cleanPath } from './display-text.ts';
import { findUnreadFiles } from './unread-files.ts';

/** Every key of the auths folder at one moment, frozen. A changed folder makes a new registry. */
export type Registry = {
  /** The auths folder. */
  readonly folder: string;
  readonly folderExists: boolean;
  /** High priority first, then by label without regard to case. */
  readonly keys: readonly Key[];
  readonly byLabel: ReadonlyMap<string, Key>;
  /** Every auth file that gave no key, and why; files that seem to be meant as one included. */
  readonly skipped: readonly SkippedFile[];
  /** What stands in auth files that gave a key, and is not used. */
  readonly remarks: readonly FileRemark[];
  /** What `signFolder` said just before the files were read. */
  readonly signature: string;
};

/** Keys that come from elsewhere than the auths folder: accounts that are logged in. None of it throws. */
export type FurtherKeys = {
  load(): Promise<{ readonly keys: readonly Key[]; readonly skipped: readonly SkippedFile[] }>;
  /** Changes whenever what `load` gives may have changed. */
  sign(): Promise<string>;
};

/** Lists the auths folder; `signature` is of the further keys, too. Costs a `stat` a file. */
export async function signKeys(authsDir: string, further: FurtherKeys | undefined): Promise<SignedListing> {
  const [folder, more] = await Promise.all([signFolder(authsDir), further?.sign()]);
  return more === undefined ? folder : { ...folder, signature: `${folder.signature} ${more}` };
}

/**
 * Reads the auths folder, and the further keys after it. Never throws: a missing folder is `folderExists: false`, anything else
 * wrong is in `skipped`.
 */
export async function loadRegistry(
  { authsDir, ...rules }: { readonly authsDir: string } & UpstreamRules,
  further?: FurtherKeys,
): Promise<Registry> {
  // Signed before the reading, so that a change in between shows as one later.
  const listing = await signKeys(authsDir, further);
  const { signature, exists, files, unreadable } = listing;
  const readings = await mapInBatches(files, (file) => readAuthFile(file, rules));
  const results = readings.map(({ result }) => result);
  const more = await further?.load();
  const { kept, duplicates } = withoutDuplicates(results.filter(isKey));
  const skipped = [
    ...unreadable.map(unreadableFolder),
    ...results.filter((result): result is SkippedFile => !isKey(result)),
    ...duplicates,
    ...(await findUnreadFiles(listing)),
    ...(more?.skipped ?? []),
  ];
  const keys = sortKeys(withUniqueLabels([...kept, ...(more?.keys ?? [])]));
  return Object.freeze({
    folder: authsDir,
    folderExists: exists,
    keys: Object.freeze(keys),
    byLabel: new Map(keys.map((key) => [key.label, key])),
    skipped: Object.freeze(skipped),
    remarks: Object.freeze(readings.flatMap(({ remarks }) => remarks)),
    signature,
  });
}

function unreadableFolder({ path, code }: { path: string; code: string }): SkippedFile {
  const detail = code === 'ENOTDIR' ? 'It is not a folder.' : `The folder cannot be read (${code}).`;
  return Object.freeze({ file: cleanPath(path), reason: 'unreadable', detail });
}

/** Of keys with one value the first, in file order, counts. */
function withoutDuplicates(keys: readonly Key[]): { kept: readonly Key[]; duplicates: readonly SkippedFile[] } {
  const first = new Map<string, Key>();
  const duplicates: SkippedFile[] = [];
  for (const key of keys) {
    const earlier = first.get(key.value);
    if (earlier === undefined) first.set(key.value, key);
    else duplicates.push(Object.freeze({ file: key.source, reason: 'duplicate_key', detail: sameKeyAs(earlier) }));
  }
  return { kept: [...first.values()], duplicates };
}

function sameKeyAs({ source, value }: Key): string {
  const name = basename(source);
  return name.includes(value) ? 'It holds the same key as an earlier file.' : `It holds the same key as ${name}.`;
}

/**
 * The first holder of a label, in file order, keeps it; the others get `-2`, `-3` and so on, past labels that are taken. File order and
 * not rank, so that a changed priority does not swap two keys' names, under which their states are stored.
 */
export function withUniqueLabels(keys: readonly Key[]): readonly Key[] {
  const taken = new Set(keys.map((key) => key.label));
  const given = new Set<string>();
  const nextSuffix = new Map<string, number>();
  return keys.map((key) => {
    if (!given.has(key.label)) {
      given.add(key.label);
      return key;
    }
    let suffix = nextSuffix.get(key.label) ?? 2;
    while (taken.has(`${key.label}-${suffix}`)) suffix += 1;
    nextSuffix.set(key.label, suffix + 1);
    const label = `${key.label}-${suffix}`;
    taken.add(label);
    return Object.freeze({ ...key, label });
  });
}

/** Compared by code units: the same order on every machine. */
function sortKeys(keys: readonly Key[]): Key[] {
  const ranked = keys.map((key) => ({ key, folded: key.label.toLowerCase() }));
  ranked.sort((a, b) => b.key.priority - a.key.priority || compare(a.folded, b.folded) || compare(a.key.label, b.key.label));
  return ranked.map(({ key }) => key);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
