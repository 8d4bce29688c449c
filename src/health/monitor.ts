import pLimit from 'p-limit';
import type { Key } from '../core/keys/key.ts';
import { activeBlock, type KeyState } from '../core/keys/key-state.ts';
import type { KeyHealth } from '../core/quota/key-health.ts';
import type { Clock } from '../core/text/time.ts';
import { settle } from './fetch-all.ts';
import { createHealthCache, identityOf } from './health-cache.ts';
import { isStale, mergeHealth } from './merge.ts';
import { canRecheck, pickRechecks } from './recheck.ts';
import { createSingleFlight } from './single-flight.ts';
import { createTimers } from './timers.ts';
import type { FetchedHealth } from './usage-client.ts';

/** The callbacks are called for keys that are still in `keys()`, never after `stop()`, and must not throw. */
export type HealthMonitorOptions = {
  readonly keys: () => readonly Key[];
  /** Earlier readings, by label. They count while they are fresh, until the first pass has new ones. */
  readonly known?: ReadonlyMap<string, KeyHealth>;
  readonly stateOf: (label: string) => KeyState | undefined;
  readonly fetch: (key: Key, signal: AbortSignal) => Promise<FetchedHealth>;
  /** 0: no refresh but on demand. */
  readonly refreshMs: number;
  /** 0: blocked keys are never asked again. */
  readonly recheckMs: number;
  /** Blocked keys asked in one pass. */
  readonly recheckMax: number;
  readonly clock: Clock;
  /** 0 to 1, as Math.random. */
  readonly random: () => number;
  /** Background calls at one time. Default 3. */
  readonly concurrency?: number;
  /** Every answer as it came, failures included (then without usage, whatever `health` still holds). */
  readonly onHealth: (key: Key, health: FetchedHealth) => void;
  /** A blocked key was asked again; `answered` says that it got its usage, so that the block may go. */
  readonly onRecheck: (key: Key, answered: boolean, health: FetchedHealth) => void;
};

export type HealthMonitor = {
  /** By label, kept up to date. A key that was never asked is not in it. */
  readonly health: ReadonlyMap<string, KeyHealth>;
  /** Asks now, joining a call already under way; inside the upstream's Retry-After it answers what is known. */
  readonly refreshNow: (key: Key) => Promise<KeyHealth>;
  /** One pass over all keys that are due, joining a pass already under way. */
  readonly refreshAll: () => Promise<void>;
  /** Forgets keys that are gone or replaced and asks for the new ones. */
  readonly keysChanged: () => void;
  /** Ends timers, passes and calls. */
  readonly stop: () => void;
};

const JITTER = 0.1;
/** Longest random pause before a background call, so that many keys do not ask in one burst (docs/kimi-api.md#polling). */
const SPREAD_MS = 250;
const CONCURRENCY = 3;
/** Of more keys than this ten are asked a second: a pass may then take longer than the interval. */
const MANY_KEYS = 1000;
const SPREAD_OF_MANY_MS = 600;
const KEEP_WITHOUT_REFRESH_MS = 20 * 60_000;

/**
 * Keeps the health of every key: a pass at start and every `refreshMs` (± 10 %), and a slower pass over blocked keys.
 * Keys on cooldown are part of the normal pass, so that an early reset is noticed
 * (docs/kimi-api.md#quota-windows).
 */
export function startHealthMonitor(options: HealthMonitorOptions): HealthMonitor {
  const { clock, random, refreshMs, recheckMs } = options;
  const keepMs = refreshMs > 0 ? 2 * refreshMs : KEEP_WITHOUT_REFRESH_MS;
  const book = createHealthCache(clock, keepMs);
  const calls = createSingleFlight(askUpstream);
  const concurrency = options.concurrency ?? CONCURRENCY;
  const withSlot = pLimit(concurrency);
  const { pause, endAll } = createTimers();
  /** Identities of the keys whose turn in a pass has not come. */
  const inLine = new Set<string>();
  let isStopped = false;
  let fullPass: Promise<void> | null = null;

  function adoptKeys(): readonly Key[] {
    const keys = options.keys();
    for (const label of book.adopt(keys)) calls.abort(label);
    return keys;
  }

  async function askUpstream(key: Key, signal: AbortSignal): Promise<FetchedHealth> {
    const fetched = await settle((asked) => options.fetch(asked, signal), key, clock);
    if (!signal.aborted && book.record(key, fetched)) options.onHealth(key, fetched);
    return fetched;
  }

  function isDue(key: Key): boolean {
    const state = options.stateOf(key.label);
    const isBlocked = state !== undefined && activeBlock(state, clock()) !== null;
    return book.holds(key) && !key.disabled && !isBlocked && !book.isQuiet(key);
  }

  function isDueForRecheck(key: Key): boolean {
    return book.holds(key) && !book.isQuiet(key) && canRecheck(key, options.stateOf(key.label), clock());
  }

  /** Runs `work` on each key, few at a time and a little apart; `isWanted` is asked again when a key's turn comes. */
  async function inTurn(
    keys: readonly Key[],
    isWanted: (key: Key) => boolean,
    work: (key: Key) => Promise<unknown>,
  ): Promise<void> {
    const spreadMs = keys.length > MANY_KEYS ? SPREAD_OF_MANY_MS : SPREAD_MS;
    let next = 0;
    for (const key of keys) inLine.add(identityOf(key));
    const takeTurns = async (): Promise<void> => {
      for (let key = keys[next++]; key !== undefined && !isStopped; key = keys[next++]) {
        await withSlot(() => turnOf(key));
        inLine.delete(identityOf(key));
      }
    };
    const turnOf = async (key: Key): Promise<void> => {
      if (isStopped || !isWanted(key)) return;
      await pause(random() * spreadMs);
      if (!isStopped && isWanted(key)) await work(key);
    };
    await Promise.all(Array.from({ length: Math.min(concurrency, keys.length) }, takeTurns));
  }

  async function refreshDue(): Promise<void> {
    const keys = adoptKeys();
    book.dropStale();
    await inTurn(keys.filter(isDue), isDue, calls.join);
  }

  function refreshAll(): Promise<void> {
    if (isStopped) return Promise.resolve();
    fullPass ??= refreshDue().finally(() => {
      fullPass = null;
    });
    return fullPass;
  }

  async function recheckBlocked(): Promise<void> {
    const picked = pickRechecks(adoptKeys().filter(isDueForRecheck), book.recheckTurnOf, options.recheckMax);
    await inTurn(picked, isDueForRecheck, async (key) => {
      const fetched = await calls.join(key);
      if (isStopped || !book.holds(key)) return;
      book.markRechecked(key);
      options.onRecheck(key, fetched.usage !== null, fetched);
    });
  }

  async function repeat(periodMs: number, work: () => Promise<void>): Promise<void> {
    let tookMs = 0;
    while (periodMs > 0 && !isStopped) {
      await pause(periodMs * (1 - JITTER + 2 * JITTER * random()) - tookMs);
      const startedAt = performance.now();
      if (!isStopped) await work();
      tookMs = Math.min(performance.now() - startedAt, periodMs * (1 - JITTER));
    }
  }

  for (const key of adoptKeys()) {
    const known = options.known?.get(key.label);
    if (known !== undefined && !isStale(known, clock(), keepMs)) book.record(key, known);
  }
  if (refreshMs > 0) void refreshAll();
  void repeat(refreshMs, refreshAll);
  void repeat(recheckMs, recheckBlocked);

  return {
    health: book.health,
    refreshAll,
    refreshNow: async (key) => {
      if (!isStopped && !book.holds(key)) adoptKeys();
      const known = book.healthOf(key);
      if (known !== undefined && (isStopped || book.isQuiet(key))) return known;
      const fetched = await calls.join(key);
      return book.healthOf(key) ?? mergeHealth(undefined, fetched, 0);
    },
    keysChanged: () => {
      if (isStopped) return;
      const isNew = (key: Key): boolean => isDue(key) && !book.health.has(key.label);
      const keys = adoptKeys().filter((key) => isNew(key) && !inLine.has(identityOf(key)));
      if (refreshMs > 0) void inTurn(keys, isNew, calls.join);
    },
    stop: () => {
      isStopped = true;
      endAll();
      calls.stop();
    },
  };
}
