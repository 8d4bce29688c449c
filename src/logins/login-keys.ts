import { createHash } from 'node:crypto';
import type { Key } from '../core/keys/key.ts';
import { LOGIN_CLIENTS } from '../core/keys/login-words.ts';
import { reasonOf } from '../errors.ts';
import { versionOf } from '../files/version.ts';
import { endOf, hashLogin, inMs, isOver, type Login, type TokenPair } from './login.ts';
import { type BrokenLogin, listLogins, loginPath, loginsFolder, readCredential, readLogin } from './login-store.ts';

/** A login and its tokens at one moment. */
export type LoginReading = {
  readonly login: Login;
  /** Null: its client has logged out, or was refused, or its file cannot be read. */
  readonly tokens: TokenPair | null;
  /** What is the matter with the client's credential file: one sentence without a secret. */
  readonly problem: string | null;
};

/** The file of a login that gives no key, in the form of a skipped auth file. */
export type SkippedLogin = BrokenLogin & { readonly file: string };

/** Told of every token that is read. */
export type OnSecret = (secret: string) => void;

type FolderReading = {
  readonly readings: readonly (LoginReading & { readonly unreadable: BrokenLogin | null })[];
  readonly skipped: readonly SkippedLogin[];
};

/**
 * Every login as a key: `value` is the access token, empty when there is none. A login that is over stays a key, whose `login.isOver`
 * says so; a file that cannot be read or is broken is in `skipped`. Never throws.
 */
export async function loadLoginKeys(
  stateDir: string,
  onSecret: OnSecret = () => undefined,
): Promise<{ readonly keys: readonly Key[]; readonly skipped: readonly SkippedLogin[] }> {
  const { readings, skipped } = await readFolder(stateDir, onSecret);
  const unreadable = readings.flatMap(({ login, unreadable }): SkippedLogin[] =>
    unreadable === null || login.file === null ? [] : [Object.freeze({ ...unreadable, file: login.file })],
  );
  return {
    keys: readings.filter(({ unreadable }) => unreadable === null).map((reading) => toKey(stateDir, reading)),
    skipped: [...skipped, ...unreadable],
  };
}

/** Every login whose own file can be read, in the order of their ids. Never throws. */
export async function readLogins(stateDir: string, onSecret: OnSecret = () => undefined): Promise<readonly LoginReading[]> {
  const { readings } = await readFolder(stateDir, onSecret);
  return readings.map(({ login, tokens, problem }) => ({ login, tokens, problem }));
}

async function readFolder(stateDir: string, onSecret: OnSecret): Promise<FolderReading> {
  const skipped: SkippedLogin[] = [];
  let ids: readonly string[] = [];
  try {
    ids = await listLogins(stateDir);
  } catch (error) {
    const detail = `The folder cannot be read (${reasonOf(error)}).`;
    skipped.push(Object.freeze({ file: loginsFolder(stateDir), reason: 'unreadable', detail }));
  }
  const readings = await Promise.all(
    ids.map(async (id) => {
      const file = await readLogin(stateDir, id);
      if (file === 'missing') return [];
      if ('broken' in file) {
        skipped.push(Object.freeze({ ...file.broken, file: loginPath(stateDir, id) }));
        return [];
      }
      const reading =
        file.login.file === null ? { ...file, problem: null, unreadable: null } : await lookUp(file.login, file.login.file);
      for (const token of [reading.tokens?.accessToken, reading.tokens?.refreshToken]) if (token) onSecret(token);
      return [reading];
    }),
  );
  return { readings: readings.flat(), skipped };
}

/** The tokens of a client's login, from the client's file. */
async function lookUp(login: Login, path: string): Promise<FolderReading['readings'][number]> {
  const credential = await readCredential(path);
  const client = LOGIN_CLIENTS[login.kind];
  const without = (problem: string, unreadable: BrokenLogin | null = null) => ({ login, tokens: null, problem, unreadable });
  switch (credential.kind) {
    case 'pair':
      return { login, tokens: credential.tokens, problem: null, unreadable: null };
    case 'tombstone':
      return without(`The login of ${client} was refused; log in there again.`);
    case 'missing':
      return without(`${client} has logged out; log in there again.`);
    case 'broken':
      return without(`The credential file of ${client} is no JSON that holds tokens; log in there again.`);
    case 'unreadable':
      return without(`The credential file of ${client} is out of reach. ${credential.problem.detail}`, credential.problem);
  }
}

function toKey(stateDir: string, { login, tokens }: LoginReading): Key {
  return Object.freeze({
    label: login.label,
    value: tokens?.accessToken ?? '',
    hash: hashLogin(login.id),
    baseUrl: login.baseUrl,
    priority: login.priority,
    weight: login.weight,
    disabled: login.disabled,
    email: login.email,
    source: loginPath(stateDir, login.id),
    login: Object.freeze({
      id: login.id,
      kind: login.kind,
      expiresAt: tokens === null ? null : endOf(tokens),
      lifeMs: tokens === null ? null : inMs(tokens.expiresIn),
      isOver: isOver(login, tokens),
    }),
  });
}

/** Which credential file a version of a login's file names, so that telling a change takes a `stat` of each and no reading. */
const namedFiles = new Map<string, { readonly version: string; readonly file: string | null }>();

/** Changes whenever a login's file, or the credential file it names, appears, goes or is written. Never throws. */
export async function signLogins(stateDir: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    const ids = await listLogins(stateDir);
    for (const line of await Promise.all(ids.map((id) => signLogin(stateDir, id)))) hash.update(line);
  } catch (error) {
    hash.update(reasonOf(error));
  }
  return hash.digest('base64url');
}

async function signLogin(stateDir: string, id: string): Promise<string> {
  const path = loginPath(stateDir, id);
  const version = await versionAt(path);
  let known = namedFiles.get(path);
  if (known?.version !== version) {
    const file = await readLogin(stateDir, id);
    known = { version, file: file === 'missing' || 'broken' in file ? null : file.login.file };
    namedFiles.set(path, known);
  }
  return JSON.stringify([id, version, known.file === null ? null : await versionAt(known.file)]);
}

async function versionAt(path: string): Promise<string> {
  try {
    return (await versionOf(path)) ?? 'missing';
  } catch (error) {
    return reasonOf(error);
  }
}
