import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { rolldown } from 'rolldown';
import { cleanUp } from '../support/cleanup.ts';
import { temporaryFolder } from './stage.ts';

export type RenewChild = {
  readonly process: ChildProcess;
  /** Sends a line and resolves with the one that is printed for it. */
  readonly ask: (line: string) => Promise<string>;
  readonly tell: (line: string) => void;
  readonly kill: () => Promise<void>;
};

/** Starts `renew-child.ts` in processes of their own; what is still running at the end of the test file is killed. */
export async function renewChildren(): Promise<(stateDir: string, id: string) => Promise<RenewChild>> {
  const script = await bundle();
  return async (stateDir, id) => {
    const child = spawn(process.execPath, [script, stateDir, id], { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = once(child, 'close');
    cleanUp(async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await ended;
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async () => {
      const { value, done } = await lines.next();
      if (done === true) throw new Error('the child has ended');
      return String(value);
    };
    // Whoever is killed breaks the pipe.
    child.stdin.on('error', () => undefined);
    const tell = (line: string) => void child.stdin.write(`${line}\n`);
    if ((await next()) !== 'ready') throw new Error('the child printed something else first');
    return {
      process: child,
      tell,
      ask: (line) => {
        tell(line);
        return next();
      },
      kill: async () => {
        child.kill('SIGKILL');
        await ended;
      },
    };
  };
}

/** One file, because a process that is started a hundred times must not compile its sources each time. */
async function bundle(): Promise<string> {
  const folder = await temporaryFolder();
  const built = await rolldown({
    input: join(import.meta.dirname, 'renew-child.ts'),
    platform: 'node',
    external: (id) => id.startsWith('node:'),
    logLevel: 'silent',
  });
  await built.write({
    dir: join(folder, 'dist'),
    format: 'esm',
    entryFileNames: 'child.mjs',
    chunkFileNames: '[name]-[hash].mjs',
  });
  await mkdir(folder, { recursive: true });
  // The version is read beside the folder of the built files.
  await writeFile(join(folder, 'package.json'), '{ "version": "0.0.0-test", "type": "module" }\n');
  return join(folder, 'dist', 'child.mjs');
}
