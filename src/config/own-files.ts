import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { KmiError, reasonOf } from '../errors.ts';
import { explainDenied } from '../files/access.ts';
import { isForeign } from '../files/owner.ts';
import { NOT_TEXT, textOf } from '../files/text-bytes.ts';

/** More than any settings file holds. */
const LARGEST_BYTES = 1024 * 1024;

export type SettingsFile = { readonly bytes: Buffer; readonly isForeign: boolean; readonly mode: number };

/** Reads a small file; a pipe is fine too. Throws what the file system says, and an error for more than 1 MiB. */
export function readSettingsFile(path: string): SettingsFile {
  const file = openSync(path, 'r');
  try {
    const { uid, mode } = fstatSync(file);
    const chunks: Buffer[] = [];
    for (let length = 0; ; ) {
      const chunk = Buffer.alloc(64 * 1024);
      const bytesRead = readSync(file, chunk);
      if (bytesRead === 0) break;
      length += bytesRead;
      if (length > LARGEST_BYTES) throw new Error('larger than 1 MiB');
      chunks.push(chunk.subarray(0, bytesRead));
    }
    return { bytes: Buffer.concat(chunks), isForeign: isForeign(uid), mode };
  } finally {
    closeSync(file);
  }
}

export function tokenPath(stateDir: string): string {
  return join(stateDir, 'proxy.token');
}

/**
 * The client token of this installation, which `kmi proxy --make-token` made; null when there is none. The error says why
 * it cannot be used: it cannot be read, or others could have read or written it, and a token they know protects nothing.
 */
export function readProxyToken(stateDir: string, { enforcePerms }: { readonly enforcePerms: boolean }): string | KmiError | null {
  const path = tokenPath(stateDir);
  let file: SettingsFile;
  try {
    file = readSettingsFile(path);
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === 'ENOENT' || reason === 'ENOTDIR') return null;
    const { text, fix } = explainDenied(error, [stateDir]) ?? {
      text: `The client token ${path} cannot be read (${reason}).`,
      fix: 'Make it readable or remove it.',
    };
    return new KmiError('bad_settings', text, { hint: fix, cause: error });
  }
  const isOpen = process.platform !== 'win32' && enforcePerms && (file.mode & 0o077) !== 0;
  if (file.isForeign || isOpen) {
    const why = file.isForeign ? 'belongs to another user' : 'can be read or written by other users';
    return new KmiError('bad_settings', `The client token ${path} ${why}.`, {
      hint: 'Remove it, then make a new one: `kmi proxy --make-token`.',
    });
  }
  const text = textOf(file.bytes);
  if (text === null) {
    throw new KmiError('bad_settings', `The client token ${path} is ${NOT_TEXT}.`, {
      hint: 'Remove it, then make a new one: `kmi proxy --make-token`.',
    });
  }
  const token = text.trim();
  return token === '' ? null : token;
}
