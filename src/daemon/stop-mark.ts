import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from '../files/private.ts';
import { identityOf } from './processes.ts';

/**
 * A proxy that finishes its open requests no longer answers `/healthz`. So that `kmi stop -f` can still prove it to
 * be ours, the command that proved it and told it to stop leaves a mark: pid and start time of the process.
 */
function markPath(stateDir: string): string {
  return join(stateDir, 'proxy.stopping');
}

export async function markStopping(stateDir: string, pid: number): Promise<void> {
  const identity = await identityOf(pid);
  if (identity !== null) await replaceFile(markPath(stateDir), `${pid} ${identity}\n`);
}

export async function wasToldToStop(stateDir: string, pid: number): Promise<boolean> {
  const mark = await readFile(markPath(stateDir), 'utf8').catch(() => '');
  if (mark === '') return false;
  const identity = await identityOf(pid);
  return identity !== null && mark.trim() === `${pid} ${identity}`;
}

export async function removeStopMark(stateDir: string): Promise<void> {
  await rm(markPath(stateDir), { force: true });
}
