import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import lockfile from 'proper-lockfile';
import { KmiError, reasonOf } from '../errors.ts';
import { PRIVATE_FILE } from '../files/private.ts';

/**
 * One writer at a time over all processes. proper-lockfile makes the lock (a folder, so that making it is atomic on
 * every file system); beside it lies a note of who holds it. A lock is taken over only when its holder is dead, never
 * because a clock says it is old: clocks jump, and a process can be stopped for longer than any limit.
 *
 * Throws `state_unusable` when the lock cannot be had within `waitMs`.
 */
export async function withFileLock<Result>(
  path: string,
  work: () => Promise<Result>,
  { waitMs = 10_000, now = () => performance.now() }: { waitMs?: number; now?: () => number } = {},
): Promise<Result> {
  const lockPath = `${path}.lock`;
  const holder = `${lockPath}.holder`;
  const deadline = now() + waitMs;
  const watch: OrphanWatch = { identity: null, since: 0 };
  for (;;) {
    const release = await tryLock(path, lockPath);
    if (release !== null) {
      try {
        await writeFile(holder, OWN_NOTE, { mode: PRIVATE_FILE });
        return await work();
      } finally {
        await rm(holder, { force: true }).catch(() => undefined);
        await release();
      }
    }
    if (now() > deadline) {
      throw new KmiError('state_unusable', `The lock ${lockPath} is held by ${await describeHolder(holder)}.`, {
        hint: 'Wait for that process or stop it; if none runs, remove the lock folder.',
      });
    }
    if (await takeOverFromTheDead(lockPath, holder, watch, now)) continue;
    await delay(5 + Math.random() * 15);
  }
}

/** Longer than any process runs: whether a holder is alive decides, not the age of its lock. */
const NEVER_STALE_MS = 2 ** 31 - 1;

async function tryLock(path: string, lockfilePath: string): Promise<(() => Promise<void>) | null> {
  try {
    return await lockfile.lock(path, {
      lockfilePath,
      realpath: false,
      stale: NEVER_STALE_MS,
      retries: 0,
      // Losing the lock folder to a person's `rm -r` must not end the process; the next save takes a new one.
      onCompromised: () => undefined,
    });
  } catch (error) {
    if (reasonOf(error) === 'ELOCKED') return null;
    throw error;
  }
}

type Holder = { readonly pid: number; readonly started: string; readonly host: string };

const OWN_NOTE = JSON.stringify({ pid: process.pid, started: startOf(process.pid) ?? '', host: hostname() } satisfies Holder);

/** When the process started, in the kernel's ticks: tells a process from a later one with the same pid. Linux only, else null. */
function startOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may hold spaces.
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function isDead({ pid, started, host }: Holder): boolean {
  if (host !== hostname()) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return reasonOf(error) === 'ESRCH';
  }
  const startedNow = startOf(pid);
  return started !== '' && startedNow !== null && startedNow !== started;
}

async function readHolder(path: string): Promise<Holder | null> {
  try {
    const note: unknown = JSON.parse(await readFile(path, 'utf8'));
    const { pid, started, host } = note as Partial<Holder>;
    return Number.isSafeInteger(pid) && (pid as number) > 0 && typeof started === 'string' && typeof host === 'string'
      ? { pid: pid as number, started, host }
      : null;
  } catch {
    return null;
  }
}

async function describeHolder(path: string): Promise<string> {
  const holder = await readHolder(path);
  return holder === null ? 'an unknown process' : `process ${holder.pid} on ${holder.host}`;
}

/** A lock folder without a note, and since when (monotonic ms) this waiter has seen it so. */
type OrphanWatch = { identity: string | null; since: number };

/** A holder that dies between making the folder and writing its note leaves an orphan; it is given this long to write. */
const ORPHAN_MS = 2_000;

async function takeOverFromTheDead(lockPath: string, notePath: string, watch: OrphanWatch, now: () => number): Promise<boolean> {
  const holder = await readHolder(notePath);
  if (holder !== null) {
    watch.identity = null;
    return isDead(holder) && (await removeDeadLock(lockPath, notePath, holder));
  }
  const identity = await identityOf(lockPath);
  if (identity === null) return true;
  if (identity !== watch.identity) {
    watch.identity = identity;
    watch.since = now();
    return false;
  }
  return now() - watch.since > ORPHAN_MS && (await removeOrphan(lockPath, identity));
}

/** Renaming the note is the claim: of several waiters one succeeds, and only that one removes the folder. */
async function removeDeadLock(lockPath: string, notePath: string, dead: Holder): Promise<boolean> {
  const claim = `${notePath}.${randomBytes(6).toString('hex')}`;
  try {
    await rename(notePath, claim);
  } catch {
    return false;
  }
  const claimed = await readHolder(claim);
  if (claimed === null || claimed.pid !== dead.pid || claimed.started !== dead.started) {
    // Another waiter was quicker and a living process holds the lock by now: give it its note back.
    await rename(claim, notePath).catch(() => undefined);
    return false;
  }
  await rmdir(lockPath).catch(() => undefined);
  await rm(claim, { force: true });
  return true;
}

async function removeOrphan(lockPath: string, identity: string): Promise<boolean> {
  const aside = `${lockPath}.${randomBytes(6).toString('hex')}`;
  try {
    await rename(lockPath, aside);
  } catch {
    return false;
  }
  if ((await identityOf(aside)) !== identity) {
    await rename(aside, lockPath).catch(() => undefined);
    return false;
  }
  await rmdir(aside);
  return true;
}

async function identityOf(path: string): Promise<string | null> {
  try {
    const { ino, birthtimeNs } = await stat(path, { bigint: true });
    return `${ino}-${birthtimeNs}`;
  } catch {
    return null;
  }
}
