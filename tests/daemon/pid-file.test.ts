import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { claimPidFile, pidPath, readPidFile, removePidFile, writePidFile } from '../../src/daemon/pid-file.ts';
import { alivenessOf, commandLineOf, identityOf, startTimeFromPs } from '../../src/daemon/processes.ts';
import { markStopping, removeStopMark, wasToldToStop } from '../../src/daemon/stop-mark.ts';
import { cleanUp } from '../support/cleanup.ts';

async function temporaryState(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kmi-pid-'));
  cleanUp(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'state');
}

/** The number of a process that has just ended. */
async function endedPid(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '0']);
  await once(child, 'close');
  return child.pid as number;
}

test('the file holds the pid and nothing else, for its owner alone', async () => {
  const stateDir = await temporaryState();
  expect(await readPidFile(stateDir)).toBeNull();
  await writePidFile(stateDir, 4711);
  expect(await readFile(pidPath(stateDir), 'utf8')).toBe('4711\n');
  expect((await stat(pidPath(stateDir))).mode & 0o777).toBe(0o600);
  expect(await readPidFile(stateDir)).toBe(4711);
});

test.each(['', 'abc', '0', '-12', '12 13', '1.5', '99999999999'])('a file with %j names no process', async (text) => {
  const stateDir = await temporaryState();
  await mkdir(stateDir);
  await writeFile(pidPath(stateDir), text);
  expect(await readPidFile(stateDir)).toBeNull();
});

test('a proxy that ends removes only its own file', async () => {
  const stateDir = await temporaryState();
  await writePidFile(stateDir, 4711);
  await removePidFile(stateDir, 4712);
  expect(await readPidFile(stateDir)).toBe(4711);
  await removePidFile(stateDir, 4711);
  expect(await readPidFile(stateDir)).toBeNull();
});

test('a proxy takes over the file of a process that is gone, not that of one that lives', async () => {
  const stateDir = await temporaryState();
  await claimPidFile(stateDir, 4711);
  expect(await readPidFile(stateDir)).toBe(4711);
  await writePidFile(stateDir, await endedPid());
  await claimPidFile(stateDir, 4711);
  expect(await readPidFile(stateDir)).toBe(4711);
  await writePidFile(stateDir, process.pid);
  await claimPidFile(stateDir, 4711);
  expect(await readPidFile(stateDir)).toBe(process.pid);
});

test('a process lives until it has ended', async () => {
  expect(await alivenessOf(process.pid)).toBe('alive');
  expect(await alivenessOf(await endedPid())).toBe('gone');
});

test.runIf(process.platform === 'linux')('a process that has ended is gone, also when nobody has taken note of it', async () => {
  // The shell's child ends and stays unnoted: the program that replaces the shell never asks for it.
  const parent = spawn('sh', ['-c', '(exit 0) & echo $!; exec sleep 30']);
  cleanUp(async () => void parent.kill('SIGKILL'));
  const [chunk] = (await once(parent.stdout, 'data')) as [Buffer];
  const zombie = Number(chunk.toString());
  await expect.poll(() => alivenessOf(zombie)).toBe('gone');
});

test('a process is told from a later one of its number by its start', async () => {
  const own = await identityOf(process.pid);
  expect(own).not.toBeNull();
  expect(await identityOf(process.pid)).toBe(own);
  expect(await identityOf(await endedPid())).toBeNull();
  expect(await startTimeFromPs(await endedPid())).toBeNull();
});

test.runIf(process.platform === 'linux')('the command line of a process can be seen on Linux', async () => {
  expect(await commandLineOf(process.pid)).toMatch(/vitest/);
  expect(await commandLineOf(await endedPid())).toBeNull();
});

test('a process told to stop is known again, and no other', async () => {
  const stateDir = await temporaryState();
  await mkdir(stateDir);
  expect(await wasToldToStop(stateDir, process.pid)).toBe(false);
  await markStopping(stateDir, process.pid);
  expect(await wasToldToStop(stateDir, process.pid)).toBe(true);
  expect(await wasToldToStop(stateDir, process.ppid)).toBe(false);
  await removeStopMark(stateDir);
  expect(await wasToldToStop(stateDir, process.pid)).toBe(false);
  await markStopping(stateDir, await endedPid());
  expect(await wasToldToStop(stateDir, process.pid)).toBe(false);
});
