import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { readBoundedFile } from '../files/bounded-file.ts';
import { textOf } from '../files/text-bytes.ts';
import type { SkippedFile } from './auth-entry.ts';
import { type FolderListing, formatOf } from './auth-folder.ts';
import { mapInBatches } from './batches.ts';
import { cleanPath } from './display-text.ts';

/** More than anybody puts beside keys by mistake; a folder with more of them is no folder for keys. */
const LOOKED_AT_MAX = 50;

/**
 * What lies in the auths folder, is not read because of its name or place, and seems to hold a key: `work.env.txt` as Notepad saves
 * it, a bare `work`, `work.yaml`, a folder two levels down. Notes, samples, what kmi set aside and editors' copies of a file
 * that is there do not count. Never throws.
 */
export async function findUnreadFiles({
  others,
  deeper,
  files,
}: Pick<FolderListing, 'others' | 'deeper' | 'files'>): Promise<readonly SkippedFile[]> {
  const read = new Set(files.map(({ path }) => path));
  const suspects = others.filter((path) => !isUsual(path, read)).slice(0, LOOKED_AT_MAX);
  const found = await mapInBatches(suspects, async (path) =>
    isNamedLikeOne(basename(path)) || (await holdsKey(path)) ? unread(path, explainName(path, read)) : null,
  );
  const folders = await mapInBatches(deeper.slice(0, LOOKED_AT_MAX), async (path) =>
    (await holdsAuthFiles(path)) ? unread(path, 'It is nested too deep: kmi reads files here and one folder below.') : null,
  );
  return [...found, ...folders].filter((file) => file !== null);
}

/** Things that may lie beside keys without being meant as one. */
function isUsual(path: string, read: ReadonlySet<string>): boolean {
  const name = basename(path);
  return USUAL.some((pattern) => pattern.test(name)) || read.has(join(dirname(path), copiedName(name) ?? ''));
}

const USUAL: readonly RegExp[] = [
  /^(?:readme|license|notes?)(?:\.|$)|\.md$/i,
  /^\.(?:git|ds_store|localized|nfs|fuse_hidden|stfolder|dropbox)|^(?:thumbs\.db|desktop\.ini)$/i,
  /[._-](?:example|sample|template|dist|tmpl)$/i,
  // A shadow of macOS, a lock of an editor or of an office program.
  /^(?:\._|\.#|~\$)/,
  // What kmi takes out of use, writes, and keeps.
  /\.removed-\d{8}T\d{6}Z(?:-\d+)?$|\.\d+\.[0-9a-f]{12}\.tmp$|\.kmi-backup$/,
];

/** The file an editor's copy is of: `work.env~`, `#work.env#`, `.work.env.swp`; null for other names. */
function copiedName(name: string): string | null {
  const match = /^(.+)~$|^#(.+)#$|^\.(.+)\.sw[a-p]$/.exec(name);
  return match?.[1] ?? match?.[2] ?? match?.[3] ?? null;
}

function isNamedLikeOne(name: string): boolean {
  return /\.(?:env|toml|json)(?=[._~#-]|$)|^#?\.?env[._-]|[._]ya?ml$/i.test(name);
}

async function holdsKey(path: string): Promise<boolean> {
  const read = await readBoundedFile(path);
  if ('problem' in read) return false;
  const text = textOf(read.bytes) ?? read.bytes.toString('latin1');
  return /\bKMI_API_KEY\b|\bapi_key\b|(?:^|[\s"'=:])sk-[\w-]{8,}/i.test(text);
}

async function holdsAuthFiles(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch(() => []);
  return names.some((name) => formatOf(name) !== null);
}

function explainName(path: string, read: ReadonlySet<string>): string {
  const name = betterName(basename(path));
  const isFree = name !== null && !read.has(join(dirname(path), name));
  return `It is not read: the name must end in .env, .toml or .json.${isFree ? ` Name it ${cleanPath(name)}.` : ''}`;
}

/** `work.env.txt` is `work.env`, `.env.work` is `work.env`; null where a new name is not enough or cannot be told. */
function betterName(name: string): string | null {
  const copied = copiedName(name);
  if (copied !== null) return formatOf(copied) === null ? null : copied;
  const [, inner, , last = ''] = /^(.*\.(env|toml|json))[._~-]+([\w-]*)$/i.exec(name) ?? [];
  if (inner !== undefined) return /^\.env$/i.test(inner) && last !== '' && last !== 'txt' ? `${last}.env` : inner;
  return /^[\w@-]+$/.test(name) ? `${name}.env` : null;
}

function unread(path: string, detail: string): SkippedFile {
  return Object.freeze({ file: cleanPath(path), reason: 'not_read', detail });
}
