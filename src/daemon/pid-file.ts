import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { refuseForeign } from '../files/owner.ts';
import { makePrivateFolder, replaceFile } from '../files/private.ts';
import { alivenessOf } from './processes.ts';

export function pidPath(stateDir: string): string {
  return join(stateDir, 'proxy.pid');
}

/** The process the pid file names; null when there is no file, no pid in it, or when it is another user's. */
export async function readPidFile(stateDir: string): Promise<number | null> {
  const path = pidPath(stateDir);
  const text = await refuseForeign(path)
    .then(() => readFile(path, 'utf8'))
    .catch(() => '');
  const pid = /^\s*(\d{1,10})\s*$/.exec(text)?.[1];
  return pid === undefined || Number(pid) === 0 ? null : Number(pid);
}

export async function writePidFile(stateDir: string, pid: number): Promise<void> {
  await makePrivateFolder(stateDir);
  await replaceFile(pidPath(stateDir), `${pid}\n`);
}

/** Removes the file if it still names this process: a newer proxy's file stays. */
export async function removePidFile(stateDir: string, pid: number): Promise<void> {
  if ((await readPidFile(stateDir)) === pid) await rm(pidPath(stateDir), { force: true });
}

/**
 * Writes the file for a proxy that serves, unless it names another process that lives: of two proxies on one state
 * folder the first keeps it.
 */
export async function claimPidFile(stateDir: string, pid: number): Promise<void> {
  const recorded = await readPidFile(stateDir);
  if (recorded === pid || (recorded !== null && (await alivenessOf(recorded)) !== 'gone')) return;
  await writePidFile(stateDir, pid);
}
