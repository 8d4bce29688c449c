import type { Key } from '../core/keys/key.ts';
import type { KeyHealth } from '../core/quota/key-health.ts';
import type { Clock } from '../core/text/time.ts';
import { isStale, mergeHealth } from './merge.ts';
import type { FetchedHealth } from './usage-client.ts';

/** What the monitor remembers of each key of the registry, and nothing of any other. */
export type HealthBook = {
  /** By label; without the keys that were never asked. */
  readonly health: ReadonlyMap<string, KeyHealth>;
  /** Makes room for new keys and forgets those that are gone, or replaced under their old label; gives their labels. */
  readonly adopt: (keys: readonly Key[]) => readonly string[];
  readonly holds: (key: Key) => boolean;
  readonly healthOf: (key: Key) => KeyHealth | undefined;
  /** Whether the upstream asked to be left alone with this key for now. */
  readonly isQuiet: (key: Key) => boolean;
  /** False when the key is not held any more: its answer is then dropped. */
  readonly record: (key: Key, fetched: FetchedHealth) => boolean;
  /** Lets go of usage that later calls failed to renew for too long. */
  readonly dropStale: () => void;
  /** Numbers the rechecks; 0 for a key that had none. */
  readonly recheckTurnOf: (key: Key) => number;
  readonly markRechecked: (key: Key) => void;
};

type Page = { readonly identity: string; quietFrom: number; quietMs: number; recheckTurn: number };

/** A Retry-After beyond a day is taken for a day. */
const LONGEST_QUIET_MS = 86_400_000;

/** `keepMs`: how long the last good usage outlives failing calls. */
export function createHealthCache(clock: Clock, keepMs: number): HealthBook {
  const health = new Map<string, KeyHealth>();
  const pages = new Map<string, Page>();
  let recheckTurns = 0;

  const pageOf = (key: Key): Page | undefined => {
    const page = pages.get(key.label);
    return page?.identity === identityOf(key) ? page : undefined;
  };

  return {
    health,
    adopt: (keys) => {
      const labels = new Set(keys.map((key) => key.label));
      const gone = [...pages.keys()].filter((label) => !labels.has(label));
      for (const label of gone) pages.delete(label);
      for (const key of keys) {
        if (pageOf(key) !== undefined) continue;
        if (pages.has(key.label)) gone.push(key.label);
        pages.set(key.label, { identity: identityOf(key), quietFrom: 0, quietMs: 0, recheckTurn: 0 });
      }
      for (const label of gone) health.delete(label);
      return gone;
    },
    holds: (key) => pageOf(key) !== undefined,
    healthOf: (key) => (pageOf(key) === undefined ? undefined : health.get(key.label)),
    isQuiet: (key) => {
      const page = pageOf(key);
      if (page === undefined) return false;
      const elapsed = clock() - page.quietFrom;
      // A negative span means that the clock was set back: better one call too many than a key never asked again.
      return elapsed >= 0 && elapsed < page.quietMs;
    },
    record: (key, fetched) => {
      const page = pageOf(key);
      if (page === undefined) return false;
      page.quietFrom = clock();
      page.quietMs = Math.min(fetched.retryAfterMs ?? 0, LONGEST_QUIET_MS);
      health.set(key.label, mergeHealth(health.get(key.label), fetched, keepMs));
      return true;
    },
    dropStale: () => {
      for (const [label, known] of health) {
        if (known.error !== null && isStale(known, clock(), keepMs)) health.set(label, { ...known, usage: null });
      }
    },
    recheckTurnOf: (key) => pageOf(key)?.recheckTurn ?? 0,
    markRechecked: (key) => {
      const page = pageOf(key);
      if (page === undefined) return;
      recheckTurns += 1;
      page.recheckTurn = recheckTurns;
    },
  };
}

/** The same label with another secret or server is another key. */
export function identityOf(key: Key): string {
  return `${key.hash} ${key.baseUrl}`;
}
