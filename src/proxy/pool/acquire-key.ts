import type { Config } from '../../config/settings.ts';
import type { Clock } from '../../core/text/time.ts';
import type { Affinity } from './affinity.ts';
import type { Departure } from '../http/client-abort.ts';
import type { KeyPool, PoolChoice, PoolEntry } from './key-pool.ts';
import type { WaitingRooms } from './wait-queues.ts';

export type TakingParts = {
  readonly config: Config;
  readonly pool: KeyPool;
  readonly waitingRooms: WaitingRooms;
  readonly clock: Clock;
};

/** Chooses a key and takes a place among its account's requests in flight, before anybody else can look. */
export function take({ pool }: TakingParts, affinity: Affinity, tried?: ReadonlySet<PoolEntry>): PoolChoice {
  const choice = pool.choose(tried, affinity);
  if (choice.candidate !== null) pool.began(choice.candidate);
  return choice;
}

/** Takes a key as soon as one can serve and whoever came before has one; a refusal after `KMI_PROXY_WAIT_SECONDS`. */
export async function waitForKey(
  parts: TakingParts,
  refused: PoolChoice,
  { client, affinity }: { readonly client: Departure; readonly affinity: Affinity },
): Promise<PoolChoice> {
  const { config, waitingRooms, clock } = parts;
  let choice = refused;
  const found = await waitingRooms.for(affinity.fileAccountId).wait(
    () => {
      choice = take(parts, affinity);
      return choice.candidate === null ? null : choice;
    },
    () => (choice.candidate === null && choice.returnsAt !== null ? choice.returnsAt - clock() : null),
    config.proxyWaitSeconds * 1000,
    client,
  );
  // Whose turn never came has not looked yet; the answer names reasons all the same.
  return found ?? (choice === NOBODY && !client.hasLeft ? take(parts, affinity) : choice);
}

/** Nobody has looked yet. */
export const NOBODY: PoolChoice = { candidate: null, skipped: [], returnsAt: null };
