import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config/settings.ts';
import { reasonOf } from '../errors.ts';
import { examineDaemon } from './examine.ts';
import type { DaemonState } from './judge.ts';
import { removePidFile } from './pid-file.ts';
import { alivenessOf } from './processes.ts';
import { removeRecord } from './record.ts';
import { markStopping, removeStopMark } from './stop-mark.ts';

export type StopOptions = {
  /** SIGKILL instead of SIGTERM: open requests are cut off. */
  readonly force: boolean;
  /** Called about once a second while the process is still there. */
  readonly onWaiting?: (waitedMs: number) => void;
};

export type StopResult =
  | { readonly kind: 'stopped'; readonly pid: number }
  /** Meanwhile, or all along, there was nothing that may be signalled. */
  | { readonly kind: 'not_ours'; readonly state: DaemonState };

const POLL_MS = 50;
const TELL_EVERY_MS = 1_000;

/** Checks again that it is the proxy, signals it and waits until it is gone, however long that takes. */
export async function stopDaemon(
  config: Pick<Config, 'stateDir' | 'proxyListen' | 'proxyTlsCert'>,
  { force, onWaiting }: StopOptions,
): Promise<StopResult> {
  const { stateDir } = config;
  const state = await examineDaemon(config);
  if (state.kind !== 'ours' && state.kind !== 'draining') return { kind: 'not_ours', state };
  const { pid } = state;
  if (state.kind === 'ours') await markStopping(stateDir, pid);
  // A second SIGTERM would cut off what the first lets finish.
  if (force || state.kind === 'ours') signal(pid, force ? 'SIGKILL' : 'SIGTERM');
  await waitUntilGone(pid, onWaiting);
  await Promise.all([removePidFile(stateDir, pid), removeRecord(stateDir, pid), removeStopMark(stateDir)]);
  return { kind: 'stopped', pid };
}

function signal(pid: number, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    // It ended in between: what was wanted.
    if (reasonOf(error) !== 'ESRCH') throw error;
  }
}

async function waitUntilGone(pid: number, onWaiting: StopOptions['onWaiting']): Promise<void> {
  const startedAt = performance.now();
  let toldAt = startedAt;
  while ((await alivenessOf(pid)) !== 'gone') {
    await sleep(POLL_MS);
    const now = performance.now();
    if (now - toldAt < TELL_EVERY_MS) continue;
    toldAt = now;
    onWaiting?.(now - startedAt);
  }
}
