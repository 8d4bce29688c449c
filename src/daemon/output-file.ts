import { type FileHandle, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { openToAppend } from '../files/owner.ts';
import { hardenPermissions, makePrivateFolder } from '../files/private.ts';

/** What the background proxy prints: its start, its stop, and a crash. */
export function daemonOutputPath(stateDir: string): string {
  return join(stateDir, 'logs', 'proxy.out');
}

/** A daemon prints a few lines a run; a file this long holds years of them. */
const MAX_BYTES = 1024 * 1024;
const READ_MAX_BYTES = 64 * 1024;

export type DaemonOutput = {
  readonly handle: FileHandle;
  /** Where this run's output begins. */
  readonly offset: number;
};

/** Opens the file for a new run, which begins with `headline`; one that has grown too long is kept as `.1`. */
export async function openDaemonOutput(stateDir: string, headline: string): Promise<DaemonOutput> {
  const path = daemonOutputPath(stateDir);
  await makePrivateFolder(dirname(path));
  await hardenPermissions(path);
  let handle = await openToAppend(path);
  if ((await handle.stat()).size > MAX_BYTES) {
    await handle.close();
    await rename(path, `${path}.1`);
    handle = await openToAppend(path);
  }
  await handle.appendFile(`${headline}\n`);
  return { handle, offset: (await handle.stat()).size };
}

/** The lines printed since `offset`, without the empty ones. */
export async function readDaemonOutput(stateDir: string, offset: number): Promise<readonly string[]> {
  const handle = await open(daemonOutputPath(stateDir), 'r');
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(READ_MAX_BYTES), 0, READ_MAX_BYTES, offset);
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
    return lines.filter((line) => line.trim() !== '');
  } finally {
    await handle.close();
  }
}
