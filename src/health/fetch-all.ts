import type { Key } from '../core/keys/key.ts';
import type { Clock } from '../core/text/time.ts';
import { limitConcurrency } from './concurrency-limit.ts';
import type { FetchedHealth } from './usage-client.ts';
import { describeFailure } from './usage-error.ts';

export type FetchAllOptions = {
  readonly fetch: (key: Key) => Promise<FetchedHealth>;
  readonly now: Clock;
  /** Calls at one time. Default 3. */
  readonly concurrency?: number;
  /** Told as each answer comes, in order of arrival. */
  readonly onResult?: (key: Key, health: FetchedHealth) => void;
};

/** The health of all keys, fetched side by side: by label, in the order of `keys`. A `fetch` that throws becomes its key's `error`. */
export async function fetchAllHealth(
  keys: readonly Key[],
  options: FetchAllOptions,
): Promise<ReadonlyMap<string, FetchedHealth>> {
  const withSlot = limitConcurrency(options.concurrency ?? 3);
  const entries = keys.map((key) =>
    withSlot(async (): Promise<[string, FetchedHealth]> => {
      const health = await settle(options.fetch, key, options.now);
      options.onResult?.(key, health);
      return [key.label, health];
    }),
  );
  return new Map(await Promise.all(entries));
}

/** One fetch, whose exception is an answer too. */
export async function settle(fetch: (key: Key) => Promise<FetchedHealth>, key: Key, now: Clock): Promise<FetchedHealth> {
  try {
    return await fetch(key);
  } catch (error) {
    return { usage: null, error: describeFailure(error, key.value), fetchedAt: now() };
  }
}
