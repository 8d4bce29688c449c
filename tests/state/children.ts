import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cleanUp } from '../support/cleanup.ts';

/** A folder of its own, removed when the test file is done. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kmi-state-'));
  cleanUp(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }));
  return folder;
}

export type Child = {
  readonly process: ChildProcess;
  /** Resolves with the first line that is printed; rejects when the child ends without one. */
  readonly firstLine: Promise<string>;
  /** Resolves with all that was printed and how the child ended. */
  readonly ended: Promise<{ readonly output: string; readonly code: number | null; readonly signal: string | null }>;
};

/** Runs one of the small programs beside this file in a process of its own; killed when the test file is done. */
export function startChild(script: string, args: readonly string[]): Child {
  const child = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, script), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const firstLine = new Promise<string>((resolve, reject) => {
    const look = (chunk: Buffer) => {
      output += chunk.toString();
      const end = output.indexOf('\n');
      if (end !== -1) resolve(output.slice(0, end));
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    child.once('close', () => reject(new Error(`The child ended: ${output}`)));
  });
  firstLine.catch(() => undefined);
  const ended = once(child, 'close').then(([code, signal]) => ({ output, code, signal }));
  cleanUp(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended;
  });
  return { process: child, firstLine, ended };
}
