import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { usageOf } from './process-usage.ts';

export type WatchFigures = {
  /** From the start to the first verdict, ms. */
  readonly firstMs: number;
  /** Share of one core that it takes while nothing happens; null: not measured. */
  readonly idleShare: number | null;
};

/** Starts `kmi watch`, without a terminal, and ends it again. */
export async function timeWatch(cli: string, cwd: string, env: NodeJS.ProcessEnv, idleMs = 0): Promise<WatchFigures> {
  const start = performance.now();
  const child = spawn(process.execPath, [cli, 'watch'], { cwd, env, stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = once(child, 'close');
  await Promise.race([
    once(child.stdout, 'data'),
    ended.then(() => Promise.reject(new Error('kmi watch ended before it said anything.'))),
  ]);
  const firstMs = performance.now() - start;
  let idleShare: number | null = null;
  if (idleMs > 0) {
    // What is compiled on the way is not idling.
    await delay(2_000);
    const { pid = 0 } = child;
    const before = usageOf(pid).cpuMs;
    await delay(idleMs);
    idleShare = (usageOf(pid).cpuMs - before) / idleMs;
  }
  child.kill('SIGTERM');
  await ended;
  return { firstMs, idleShare };
}
