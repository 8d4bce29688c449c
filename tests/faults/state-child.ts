import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { statePath } from '../../src/state/store.ts';
import { cleanUp } from '../support/cleanup.ts';

/** What a child has done so far, as far as it is on disk. */
export type StateDone = {
  readonly added: Readonly<Record<string, number>>;
  readonly block: { readonly reason: string } | null;
  readonly cooldown: { readonly until: number } | null;
};

export type StateChild = {
  readonly process: ChildProcess;
  /** Null before the first command. */
  readonly done: () => StateDone | null;
  /** When that was, epoch ms. */
  readonly ended: Promise<string>;
};

/** Runs state-commands.mjs in a process of its own; killed when the test file is done. */
export function startStateChild(options: {
  readonly stateDir: string;
  readonly own: string;
  readonly seed: number;
  readonly commands: number | 'forever';
  readonly shared: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}): StateChild {
  const { stateDir, own, seed, commands, shared, env = {} } = options;
  const script = join(import.meta.dirname, 'state-commands.mjs');
  const node = ['--import', import.meta.resolve('tsx'), script];
  const child = spawn(process.execPath, [...node, statePath(stateDir), own, String(seed), String(commands), shared.join(',')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', ...env },
  });
  let last: StateDone | null = null;
  let carry = '';
  let other = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (carry + chunk).split('\n');
    carry = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith('{')) last = JSON.parse(line);
      else other += `${line}\n`;
    }
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    other += chunk;
  });
  const ended = once(child, 'close').then(() => other.trim());
  cleanUp(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended;
  });
  return { process: child, done: () => last, ended };
}
