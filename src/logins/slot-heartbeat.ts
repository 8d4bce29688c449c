import { Worker } from 'node:worker_threads';

export type Heartbeat = {
  /** Beats once more, and says whether the folder was still this process's. */
  readonly isHeld: () => Promise<boolean>;
  /** Ends the heartbeat; removes the folder if it is still this process's. Never throws. */
  readonly release: () => Promise<void>;
};

type HeartbeatData = {
  /** The lock's folder. */
  readonly path: string;
  /** Its inode and mtime in ns, as the holder left them. */
  readonly identity: string;
  readonly beatMs: number;
};

/**
 * The whole of a thread, as text: it needs no file of its own beside the built ones, and runs from sources as well. It touches the
 * folder only when it is exactly as this thread left it, so another holder's is never touched (docs/kimi-api.md#oauth-lock).
 */
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads');
const { rmdirSync, statSync, utimesSync } = require('node:fs');
const { path, beatMs } = workerData;
let { identity } = workerData;
const look = () => {
  const { ino, mtimeNs } = statSync(path, { bigint: true });
  return ino + '-' + mtimeNs;
};
const ifOurs = (act) => {
  try {
    if (identity === null || look() !== identity) identity = null;
    else act();
  } catch {
    identity = null;
  }
  return identity !== null;
};
const beat = () =>
  ifOurs(() => {
    const now = Date.now() / 1000;
    utimesSync(path, now, now);
    identity = look();
  });
const timer = setInterval(beat, beatMs);
parentPort.on('message', (word) => {
  if (word === 'beat') return parentPort.postMessage(beat());
  clearInterval(timer);
  parentPort.postMessage(ifOurs(() => rmdirSync(path)));
  parentPort.close();
});
`;

/** What the thread needs of memory, MB. */
const LIMITS = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 };

/**
 * Keeps a lock's folder alive. In a thread of its own, for as long as the lock is held: an event loop that is busy for five seconds
 * would else let Kimi Code take the lock in the middle of a renewal. A thread takes some 40 ms to start and ends with the lock.
 */
export function startHeartbeat(data: HeartbeatData): Heartbeat {
  const worker = new Worker(THREAD, { eval: true, workerData: data, env: {}, execArgv: [], resourceLimits: LIMITS });
  let hasEnded = false;
  const ended = new Promise<false>((resolve) => {
    const end = () => {
      hasEnded = true;
      resolve(false);
    };
    worker.once('error', end).once('exit', end);
  });
  const ask = async (word: 'beat' | 'release'): Promise<boolean> => {
    if (hasEnded) return false;
    const answer = new Promise<boolean>((resolve) => worker.once('message', resolve));
    worker.postMessage(word);
    // A thread that is no more keeps no lock.
    return Promise.race([answer, ended]);
  };
  return {
    isHeld: () => ask('beat'),
    release: async () => {
      await ask('release');
      worker.terminate().catch(() => undefined);
    },
  };
}
