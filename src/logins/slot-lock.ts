import { mkdirSync, rmdirSync, statSync, utimesSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { reasonOf } from '../errors.ts';
import { startHeartbeat } from './slot-heartbeat.ts';

/** docs/kimi-api.md#oauth-lock */
const STALE_MS = 5_000;
const RETRY_MS = 500;
const BEAT_MS = 2_000;

/** The lock could not be had; the message is a sentence. */
export class SlotLockError extends Error {}

/** Whether the lock is still this process's; says so only after it has marked it as alive once more. */
export type StillHeld = () => Promise<boolean>;

/**
 * One process at a time at a slot of Kimi Code, by Kimi Code's own protocol (docs/kimi-api.md#oauth-lock), over all programs that know it.
 * The work must ask `isHeld` before anything that cannot be taken back: a machine that slept has lost the lock. Throws `SlotLockError`
 * when it cannot be had within `waitMs`.
 */
export async function withSlotLock<Result>(
  credentialPath: string,
  work: (isHeld: StillHeld) => Promise<Result>,
  { waitMs }: { readonly waitMs: number },
): Promise<Result> {
  const { folder, sentinel, lock } = slotPaths(credentialPath);
  await prepare(folder, sentinel);
  const deadline = performance.now() + waitMs;
  let identity = take(lock);
  while (identity === null) {
    if (performance.now() >= deadline) throw new SlotLockError(`Another program holds the lock ${lock}.`);
    await delay(RETRY_MS);
    identity = take(lock);
  }
  const heartbeat = startHeartbeat({ path: lock, identity, beatMs: BEAT_MS });
  try {
    return await work(heartbeat.isHeld);
  } finally {
    await heartbeat.release();
  }
}

/** Kimi Code takes no lock there (docs/kimi-api.md#oauth-lock). */
export function isSlotLockOff(environment: Readonly<Record<string, string | undefined>> = process.env): boolean {
  return process.platform === 'win32' || environment.KIMI_DISABLE_OAUTH_LOCK === '1';
}

/** The files of the lock that belongs to a credential file (docs/kimi-api.md#oauth-files). */
export function slotPaths(credentialPath: string): { readonly folder: string; readonly sentinel: string; readonly lock: string } {
  const folder = join(dirname(dirname(credentialPath)), 'oauth');
  const sentinel = join(folder, basename(credentialPath, '.json'));
  return { folder, sentinel, lock: `${sentinel}.lock` };
}

async function prepare(folder: string, sentinel: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await (await open(sentinel, 'a', 0o600)).close();
  } catch (error) {
    throw new SlotLockError(`The lock ${sentinel}.lock cannot be used (${reasonOf(error)}).`);
  }
}

/** Null: somebody else has it. All in one go, so that nobody comes between the look at a stale lock and its removal. */
function take(lock: string): string | null {
  try {
    if (make(lock)) return mark(lock);
    if (!isStale(statSync(lock).mtimeMs, Date.now())) return null;
    rmdirSync(lock);
    return make(lock) ? mark(lock) : null;
  } catch (error) {
    // Gone while it was looked at: its holder is through, and the next try may get it.
    if (reasonOf(error) === 'ENOENT') return null;
    throw new SlotLockError(`The lock ${lock} cannot be taken (${reasonOf(error)}).`);
  }
}

function make(lock: string): boolean {
  try {
    mkdirSync(lock, { mode: 0o700 });
    return true;
  } catch (error) {
    if (reasonOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Whether a lock that was last touched at `touchedAt` counts for nothing any more. Both epoch ms. */
export function isStale(touchedAt: number, now: number): boolean {
  return touchedAt < now - STALE_MS;
}

/** Marks the lock as alive by this machine's clock, which on a network drive is not the one that made it. */
function mark(lock: string): string {
  const now = Date.now() / 1000;
  utimesSync(lock, now, now);
  const { ino, mtimeNs } = statSync(lock, { bigint: true });
  return `${ino}-${mtimeNs}`;
}
