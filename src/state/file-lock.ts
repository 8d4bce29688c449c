import { chmod, mkdir, readdir, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { KmiError, reasonOf } from '../errors.ts';
import { keepOwnerOfFolder } from '../files/keep-owner.ts';
import { PRIVATE_FILE, PRIVATE_FOLDER } from '../files/private.ts';
import { isDead, isThisProcess, newHolderNote, parseHolderNote } from './lock-holder.ts';

/**
 * One writer at a time over all processes. The lock is a folder; in it lies an empty file, the note, whose name says which
 * process holds it. The process that has put its note into the folder and finds it alone there has the lock.
 *
 * A lock is taken over only when its holder is dead, never because a clock says it is old: clocks jump, and a process can
 * be stopped for longer than any limit. Taking over is renaming the dead holder's note to one's own, which succeeds for
 * one waiter only and cannot hit a lock that somebody else has got meanwhile.
 *
 * Throws `state_unusable` when the lock cannot be had within `waitMs`. `now` is a monotonic clock in ms.
 */
export async function withFileLock<Result>(
  path: string,
  work: () => Promise<Result>,
  { waitMs = 10_000, now = () => performance.now() }: { waitMs?: number; now?: () => number } = {},
): Promise<Result> {
  const lockPath = `${path}.lock`;
  const deadline = now() + waitMs;
  const orphan: OrphanWatch = { identity: null, since: 0 };
  for (;;) {
    const release = (await takeFree(lockPath)) ?? (await takeOver(lockPath, orphan, now));
    if (release !== null) {
      try {
        return await work();
      } finally {
        await release();
      }
    }
    if (now() > deadline) {
      throw new KmiError('state_unusable', `The lock ${lockPath} is held by ${await describeHolder(lockPath)}.`, {
        hint: 'Wait for that process or stop it; if none runs, remove the lock folder.',
      });
    }
    await delay(5 + Math.random() * 15);
  }
}

/**
 * The notes of this process that stand for a lock it has or takes. One that is not among them was left behind when its
 * folder could not be reached at the release (read-only for a while, or another disk in its place), and holds nothing.
 */
const ownNotes = new Set<string>();

/** Gives the lock back. Never throws: what cannot be removed, the next process takes over from this one when it is gone. */
type Release = () => Promise<void>;

function releaseOf(lockPath: string, name: string): Release {
  return async () => {
    await rm(join(lockPath, name), { force: true }).catch(() => undefined);
    await rmdir(lockPath).catch(() => undefined);
    ownNotes.delete(name);
  };
}

async function takeFree(lockPath: string): Promise<Release | null> {
  try {
    await mkdir(lockPath);
  } catch (error) {
    if (reasonOf(error) === 'EEXIST') return null;
    throw error;
  }
  const name = newHolderNote();
  const note = join(lockPath, name);
  ownNotes.add(name);
  const release = releaseOf(lockPath, name);
  try {
    // The umask may have closed the folder to its own maker.
    if (process.platform !== 'win32') await chmod(lockPath, PRIVATE_FOLDER);
    // Should this process be killed, the owner of the folder around it must be able to take the lock over.
    await keepOwnerOfFolder(lockPath);
    await writeFile(note, '', { flag: 'wx', mode: PRIVATE_FILE });
    if ((await readdir(lockPath)).length === 1) return release;
  } catch (error) {
    // The folder was taken for an orphan and removed: this process was held up for longer than an orphan is given.
    if (reasonOf(error) !== 'ENOENT') {
      await release();
      throw error;
    }
  }
  await release();
  return null;
}

/** A lock folder without a note, and since when (monotonic ms) this waiter has seen it so. */
type OrphanWatch = { identity: string | null; since: number };

/**
 * A holder that dies between making the folder and writing its note leaves an orphan. A living one that takes longer to
 * write starts over, so this may be short. The first save after such a death waits this long.
 */
const ORPHAN_MS = 250;

async function takeOver(lockPath: string, orphan: OrphanWatch, now: () => number): Promise<Release | null> {
  const names = await readdir(lockPath).catch(() => null);
  if (names === null) return null;
  for (const name of names) {
    const holder = parseHolderNote(name);
    if (holder === null) continue;
    const isLeftBehind = isThisProcess(holder) && !ownNotes.has(name);
    if (isLeftBehind || isDead(holder)) return takeOverFrom(lockPath, name);
  }
  if (names.length > 0) orphan.identity = null;
  else await removeOrphan(lockPath, orphan, now);
  return null;
}

async function takeOverFrom(lockPath: string, deadNote: string): Promise<Release | null> {
  const name = newHolderNote();
  const note = join(lockPath, name);
  ownNotes.add(name);
  try {
    await rename(join(lockPath, deadNote), note);
  } catch {
    ownNotes.delete(name);
    return null;
  }
  const release = releaseOf(lockPath, name);
  // Two processes that wrote their notes at one moment and died before they saw each other.
  if ((await readdir(lockPath).catch(() => [])).length === 1) return release;
  await release();
  return null;
}

/** Removes an empty folder only: a holder whose note comes late finds its folder gone and starts over. */
async function removeOrphan(lockPath: string, orphan: OrphanWatch, now: () => number): Promise<void> {
  const identity = await identityOf(lockPath);
  // Gone since it was seen empty: its holder has finished, and what comes next in its place is somebody's.
  if (identity === null) return;
  if (identity !== orphan.identity) {
    orphan.identity = identity;
    orphan.since = now();
  } else if (now() - orphan.since > ORPHAN_MS) {
    await rmdir(lockPath).catch(() => undefined);
  }
}

async function identityOf(path: string): Promise<string | null> {
  try {
    const { ino, birthtimeNs } = await stat(path, { bigint: true });
    return `${ino}-${birthtimeNs}`;
  } catch {
    return null;
  }
}

async function describeHolder(lockPath: string): Promise<string> {
  const names = await readdir(lockPath).catch(() => []);
  const holder = names.map(parseHolderNote).find((found) => found !== null);
  return holder === undefined ? 'an unknown process' : `process ${holder.pid} on ${holder.host}`;
}
