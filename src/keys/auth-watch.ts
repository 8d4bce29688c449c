import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { reasonOf } from '../errors.ts';
import { versionOf } from '../files/version.ts';
import { type FurtherKeys, type Registry, signKeys } from './registry.ts';

export type KeyWatchOptions = {
  readonly load: () => Promise<Registry>;
  /** What is in use now; its folder is watched. */
  readonly current: Registry;
  /** Watched too. */
  readonly further?: FurtherKeys;
  /** Pause between two polls, milliseconds. */
  readonly intervalMs?: number;
  /** Polls of an unchanged folder may take this share of the time, however short the interval. Default 0.1, less for many files. */
  readonly pollShare?: number;
  /** Called with a registry that differs from the last one in its keys or its skipped files. */
  readonly onChange: (registry: Registry) => void;
  /** Called once for a failure, and again only after it changed or went away. */
  readonly onError: (error: unknown) => void;
};

export type KeyWatch = {
  stop(): void;
  /** One poll now. A change is taken by the second poll in a row that sees the folder the same. */
  checkNow(): Promise<void>;
};

/** Further polls that a broken file is waited for. */
const GRACE_POLLS = 2;

/** The share of the time that polls of an unchanged folder may take, when it has more than so many files. */
const POLL_SHARES: readonly (readonly [files: number, share: number])[] = [
  [1000, 0.005],
  [100, 0.02],
  [-1, 0.1],
];
/** The share while a change is taken over, or when a file has come, gone or been replaced. */
const POLL_SHARE_AT_CHANGES = 0.1;
/** What takes longer was not work, but waiting for others: for requests, or for a disk. */
const LONGEST_MS_A_FILE = 0.1;
/** Folders that are looked at between two polls. */
const FOLDERS_MAX = 50;

/**
 * Notices changes of the auths folder by polling (`fs.watch` misses changes on network and container mounts).
 *
 * A half-written file is not taken: the folder must look the same in two polls in a row. A file that held a key and now gives none,
 * though it is still there, is an edit in progress until it stayed so for two further polls; the whole change waits for them. A file that is
 * gone drops its key at once. Timers do not keep the process alive.
 */
export function startKeyWatch({
  load,
  current,
  further,
  intervalMs = 500,
  pollShare,
  onChange,
  onError,
}: KeyWatchOptions): KeyWatch {
  let inUse = current;
  /** The folder's last accepted look. */
  let accepted = current.signature;
  let lastSeen = current.signature;
  let folders: readonly string[] = [current.folder];
  /** What the folders themselves looked like before the last poll. */
  let foldersSeen: string | null = null;
  /** How long the last look at every file took, and how long it may take. */
  let lookMs = 0;
  let share = 1;
  let gracePolls = 0;
  let lastFailure: string | null = null;
  let stopped = false;
  let polling: Promise<void> | null = null;
  let timer: NodeJS.Timeout | undefined;

  async function poll(): Promise<void> {
    foldersSeen = await versionsOf(folders);
    const startedAt = performance.now();
    const look = await signKeys(inUse.folder, further);
    const seen = look.signature;
    lookMs = Math.min(performance.now() - startedAt, LONGEST_MS_A_FILE * (look.files.length + look.folders.length));
    share = pollShare ?? shareOf(look.files.length);
    if (look.folders.length !== folders.length) foldersSeen = null;
    folders = look.folders;
    if (seen !== lastSeen) {
      lastSeen = seen;
      gracePolls = 0;
      return;
    }
    if (seen === accepted) return;
    const loaded = await load();
    // Written to while it was read: what was read may be half of it.
    if (stopped || loaded.signature !== seen || (await signKeys(inUse.folder, further)).signature !== seen) return;
    if (losesKeyToBrokenFile(inUse, loaded) && gracePolls < GRACE_POLLS) {
      gracePolls += 1;
      return;
    }
    if (stopped) return;
    accepted = seen;
    gracePolls = 0;
    const differs = !isSame(inUse, loaded);
    inUse = loaded;
    if (differs) onChange(loaded);
  }

  async function pollSafely(): Promise<void> {
    try {
      await poll();
      lastFailure = null;
    } catch (error) {
      const failure = String(error);
      if (failure !== lastFailure && !stopped) onError(error);
      lastFailure = failure;
    }
  }

  function pollOnce(): Promise<void> {
    polling ??= pollSafely().finally(() => {
      polling = null;
    });
    return polling;
  }

  /** Whether it is time for the next poll, so long after the last one. */
  async function isDue(sinceMs: number): Promise<boolean> {
    if (sinceMs >= lookMs / share) return true;
    if (sinceMs < lookMs / POLL_SHARE_AT_CHANGES) return false;
    return lastSeen !== accepted || foldersSeen !== (await versionsOf(folders));
  }

  function schedule(polledAt: number): void {
    if (stopped) return;
    timer = setTimeout(async () => {
      const isPolling = (await isDue(performance.now() - polledAt)) && !stopped;
      if (isPolling) await pollOnce();
      schedule(isPolling ? performance.now() : polledAt);
    }, intervalMs);
    timer.unref();
  }

  schedule(performance.now());
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
    checkNow: () => (stopped ? Promise.resolve() : pollOnce()),
  };
}

function shareOf(fileCount: number): number {
  return POLL_SHARES.find(([files]) => fileCount > files)?.[1] ?? 1;
}

async function versionsOf(folders: readonly string[]): Promise<string> {
  const versions = await Promise.all(folders.slice(0, FOLDERS_MAX).map((folder) => versionOf(folder).catch(reasonOf)));
  return versions.join();
}

/** Would the new registry lose a key whose file, or a folder above it, is still there but gives nothing, or is the whole folder gone? */
function losesKeyToBrokenFile(before: Registry, after: Registry): boolean {
  if (!after.folderExists) return before.keys.length > 0;
  const broken = new Set(after.skipped.filter(({ reason }) => reason !== 'duplicate_key').map(({ file }) => file));
  return before.keys.some(({ source }) => [source, dirname(source), dirname(dirname(source))].some((path) => broken.has(path)));
}

function isSame(a: Registry, b: Registry): boolean {
  return a.folderExists === b.folderExists && isDeepStrictEqual(a.keys, b.keys) && isDeepStrictEqual(a.skipped, b.skipped);
}
