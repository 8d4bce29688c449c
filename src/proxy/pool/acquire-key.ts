import type { Config } from '../../config/settings.ts';
import type { Clock } from '../../core/text/time.ts';
import type { ClientAbort } from '../http/client-abort.ts';
import type { Affinity } from './affinity.ts';
import type { PoolChoice } from './key-chooser.ts';
import type { KeyPool } from './key-pool.ts';
import type { PoolEntry } from './pool-entry.ts';
import type { WaitQueues } from './wait-queues.ts';

export type WaitingParts = {
  readonly config: Config;
  readonly pool: KeyPool;
  readonly waitQueues: WaitQueues;
  readonly clock: Clock;
};

/** Nobody has been asked for a key yet. */
export const NOT_ASKED: PoolChoice = { candidate: null, skipped: [], returnsAt: null };

/** Chooses a key and takes a place among its account's requests in flight, before anybody else can look. */
export function acquireKey(pool: KeyPool, affinity: Affinity, tried?: ReadonlySet<PoolEntry>): PoolChoice {
  const choice = pool.choose(tried, affinity);
  if (choice.candidate !== null) pool.began(choice.candidate);
  return choice;
}

/** A request's first choice; `NOT_ASKED` while others wait, who go first. */
export function acquireFirst({ pool, waitQueues }: WaitingParts, affinity: Affinity): PoolChoice {
  return waitQueues.for(affinity.fileAccountId).isEmpty ? acquireKey(pool, affinity) : NOT_ASKED;
}

/** Takes a key as soon as one can serve and whoever came before has one; a refusal after `KMI_PROXY_WAIT_SECONDS`. */
export async function waitForKey(
  { config, pool, waitQueues, clock }: WaitingParts,
  refused: PoolChoice,
  client: ClientAbort,
  affinity: Affinity,
): Promise<PoolChoice> {
  let choice = refused;
  const found = await waitQueues.for(affinity.fileAccountId).wait(
    () => {
      choice = acquireKey(pool, affinity);
      return choice.candidate === null ? null : choice;
    },
    () => (choice.candidate === null && choice.returnsAt !== null ? choice.returnsAt - clock() : null),
    config.proxyWaitSeconds * 1000,
    client,
  );
  // Whose turn never came has not looked yet; the answer names reasons all the same.
  return found ?? (choice === NOT_ASKED && !client.hasLeft ? acquireKey(pool, affinity) : choice);
}
