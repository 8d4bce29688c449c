import { randomBytes } from 'node:crypto';
import { chmod, chown, link, open, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { knownHome } from '../config/home-folder.ts';
import { isLoopbackHost, parseBaseUrl } from '../config/kinds.ts';
import type { Key } from '../core/keys/key.ts';
import { type BoundedFile, codeOf, readBoundedFile } from '../files/bounded-file.ts';
import { keepOwner } from '../files/keep-owner.ts';
import { exists, PRIVATE_FILE, replaceFile } from '../files/private.ts';
import { decodeText, encodeText, NOT_TEXT } from '../files/text-bytes.ts';
import type { CredentialField } from './kimi-credentials.ts';

export type KimiConfigPath = { readonly client: 'kimi-cli' | 'kimi-code'; readonly path: string };

/** Where the two Kimi clients keep their config, whether or not it exists. Neither is named when there is no home to look in. */
export function kimiConfigPaths(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): readonly KimiConfigPath[] {
  const home = knownHome(environment);
  const at = (client: KimiConfigPath['client'], variable: string, fallback: string): KimiConfigPath[] => {
    const folder = environment[variable]?.trim() || (home === null ? '' : join(home, fallback));
    return folder === '' ? [] : [{ client, path: join(folder, 'config.toml') }];
  };
  return [...at('kimi-cli', 'KIMI_SHARE_DIR', '.kimi'), ...at('kimi-code', 'KIMI_CODE_HOME', '.kimi-code')];
}

export type KimiConfigWrite =
  | {
      readonly kind: 'written';
      /** The real file, which is another path than the one given when that is a symbolic link. */
      readonly file: string;
      readonly provider: string;
      readonly changed: readonly CredentialField[];
      /** The file as it was before kmi first changed it. */
      readonly backup: string;
      /** The provider also has an `oauth` entry, which the Kimi CLI may prefer to the key. */
      readonly hasOauth: boolean;
    }
  | { readonly kind: 'unchanged'; readonly file: string; readonly provider: string; readonly hasOauth: boolean }
  | { readonly kind: 'missing'; readonly file: string }
  /** The config points at this proxy, which chooses the key itself: nothing was written. */
  | { readonly kind: 'through_proxy'; readonly file: string; readonly provider: string }
  /** Nothing was written. `problem` is one sentence without a secret. */
  | { readonly kind: 'left_alone'; readonly file: string; readonly problem: string };

export type KimiConfigWriteOptions = {
  /** Null or absent: the current account's provider. */
  readonly provider?: string | null;
  /** URL of this proxy; a config that points at it is left as it is. */
  readonly proxyUrl?: string | null;
};

const ATTEMPTS = 3;

/**
 * Writes a key into a Kimi client's config: only the provider's credentials change, through a new file that takes the old one's place, with
 * mode 600 or the old mode where that is stricter. A symbolic link stays one; the file it names is written.
 * The backup `<path>.kmi-backup` (600) is made once and never overwritten, because only the first holds the user's own credentials.
 * It stands beside the path given, not beside the file a link names, which may be under version control. Never throws.
 */
export async function writeKimiConfig(
  path: string,
  key: Pick<Key, 'value' | 'baseUrl' | 'login'>,
  { provider = null, proxyUrl = null }: KimiConfigWriteOptions = {},
): Promise<KimiConfigWrite> {
  let file = path;
  try {
    file = await realpath(path);
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const outcome = await tryWrite(path, file, key, provider, proxyUrl);
      if (outcome !== 'changed_meanwhile') return outcome;
    }
    return { kind: 'left_alone', file, problem: 'Another program is writing the file.' };
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT' && file === path) return { kind: 'missing', file };
    return { kind: 'left_alone', file, problem: `The file cannot be written (${code}).` };
  }
}

async function tryWrite(
  path: string,
  file: string,
  key: Pick<Key, 'value' | 'baseUrl' | 'login'>,
  provider: string | null,
  proxyUrl: string | null,
): Promise<KimiConfigWrite | 'changed_meanwhile'> {
  const read = await readBoundedFile(file);
  if ('problem' in read) return { kind: 'left_alone', file, problem: read.problem.detail };
  const decoded = decodeText(read.bytes);
  if (decoded === null) return { kind: 'left_alone', file, problem: `The file is ${NOT_TEXT}.` };

  const { replaceCredentials } = await import('./kimi-credentials.ts');
  const replaced = replaceCredentials(decoded.text, provider, { apiKey: key.value, baseUrl: key.baseUrl });
  if ('problem' in replaced) return { kind: 'left_alone', file, problem: replaced.problem };
  const { hasOauth, changed } = replaced;
  if (proxyUrl !== null && isSameListener(proxyUrl, replaced.previousBaseUrl)) {
    return { kind: 'through_proxy', file, provider: replaced.provider };
  }
  // An access token ends within minutes, and nobody would renew it there.
  if (key.login !== undefined) return { kind: 'left_alone', file, problem: 'The active key is a login, which has no API key.' };
  if (changed.length === 0) return { kind: 'unchanged', file, provider: replaced.provider, hasOauth };

  const backup = `${path}.kmi-backup`;
  await writeOnce(backup, read.bytes);
  const again = await readBoundedFile(file);
  if ('problem' in again || !again.bytes.equals(read.bytes)) return 'changed_meanwhile';
  await replaceFile(file, encodeText(replaced.text, decoded.form));
  await keepOwnerAndMode(file, read.stats);
  return { kind: 'written', file, provider: replaced.provider, changed, backup, hasOauth };
}

/** The same port of the same machine; a loopback address has several names. */
function isSameListener(proxyUrl: string, baseUrl: string | null): boolean {
  const current = baseUrl === null ? null : parseBaseUrl(baseUrl);
  const own = parseBaseUrl(proxyUrl);
  if (current === null || own === null) return false;
  const [a, b] = [new URL(current), new URL(own)];
  return a.port === b.port && (a.hostname === b.hostname || (isLoopbackHost(a.hostname) && isLoopbackHost(b.hostname)));
}

/** Creates the file whole or not at all; one that exists stays as it is. */
async function writeOnce(path: string, bytes: Uint8Array): Promise<void> {
  if (await exists(path)) return;
  const temporary = `${path}.${process.pid}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const handle = await open(temporary, 'wx', PRIVATE_FILE);
    try {
      await keepOwner(handle, dirname(path));
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    // A hard link, unlike a rename, cannot replace a backup that another process made meanwhile.
    // Not every file system has links.
    await link(temporary, path).catch(async () => {
      if (!(await exists(path))) await rename(temporary, path);
    });
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

async function keepOwnerAndMode(file: string, before: BoundedFile['stats']): Promise<void> {
  if (process.platform === 'win32') return;
  // Only root can write into another user's home; the file must stay that user's.
  if (process.getuid?.() === 0 && before.uid !== 0) await chown(file, before.uid, before.gid);
  const mode = before.mode & PRIVATE_FILE;
  if (mode !== PRIVATE_FILE) await chmod(file, mode);
}
