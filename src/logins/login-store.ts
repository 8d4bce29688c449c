import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { reasonOf } from '../errors.ts';
import { type FileProblem, readBoundedFile } from '../files/bounded-file.ts';
import { replaceFile } from '../files/private.ts';
import { textOf } from '../files/text-bytes.ts';
import { type LoginFile, parseLogin, renderLogin } from './login-file.ts';
import { type Credential, parseCredential } from './token-pair.ts';

export function loginsFolder(stateDir: string): string {
  return join(stateDir, 'logins');
}

/** The file of a login, which is also what its lock is taken on. */
export function loginPath(stateDir: string, id: string): string {
  return join(loginsFolder(stateDir), `${id}.json`);
}

/** Ids of the logins there are, in order. Throws what the file system says, but not that the folder is missing. */
export async function listLogins(stateDir: string): Promise<readonly string[]> {
  try {
    const names = await readdir(loginsFolder(stateDir));
    return names.flatMap((name) => /^([0-9a-f]{8})\.json$/.exec(name)?.[1] ?? []).sort();
  } catch (error) {
    if (reasonOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** A login's file that gives no login, and why. */
export type BrokenLogin = { readonly reason: FileProblem['reason'] | 'malformed'; readonly detail: string };

/** `missing`: there is no such login, or no more. */
export type LoginRead = LoginFile | { readonly broken: BrokenLogin } | 'missing';

export async function readLogin(stateDir: string, id: string): Promise<LoginRead> {
  const read = await readBoundedFile(loginPath(stateDir, id));
  if ('problem' in read) return read.code === 'ENOENT' ? 'missing' : { broken: read.problem };
  const text = textOf(read.bytes);
  const parsed = text === null ? { problem: 'It is not text.' } : parseLogin(text, id);
  return 'problem' in parsed ? { broken: { reason: 'malformed', detail: parsed.problem } } : parsed;
}

/** Replaces the login's file, on disk when this resolves. The caller holds the login's lock. Throws what the file system says. */
export async function writeLogin(stateDir: string, file: LoginFile): Promise<void> {
  await replaceFile(loginPath(stateDir, file.login.id), renderLogin(file));
}

/** A client's credential file as it is at this moment; `missing`: its client has logged out. */
export async function readCredential(path: string): Promise<Credential | { readonly kind: 'missing' } | Unreadable> {
  const read = await readBoundedFile(path);
  if ('problem' in read) return read.code === 'ENOENT' ? { kind: 'missing' } : { kind: 'unreadable', problem: read.problem };
  return parseCredential(textOf(read.bytes) ?? '');
}

export type Unreadable = { readonly kind: 'unreadable'; readonly problem: FileProblem };
