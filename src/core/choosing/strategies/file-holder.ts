import { type Account, type AccountCandidate, type AccountPool, type AccountSkip, serveAt } from '../account-pool.ts';
import { type Choice, type Chosen, NO_SKIPS } from '../choice.ts';
import type { PickOptions } from '../why-not.ts';

/** A key of the account that holds a file the request names: no other can answer it, whatever the strategy. */
export function pickFileHolder<C extends AccountCandidate>(
  pool: AccountPool<C>,
  account: Account,
  options: PickOptions<C>,
): Choice<C> {
  const place = serveAt(pool, account, options.failOpen ? 'fail_open' : 'ready', options);
  if (typeof place === 'number') return chosen(pool, place, 'file', NO_SKIPS);
  const last = serveAt(pool, account, 'reserve', options);
  if (typeof last === 'number') return chosen(pool, last, 'reserve', [place]);
  return { candidate: null, skipped: [place], returnsAt: place.until };
}

function chosen<C extends AccountCandidate>(
  { candidates }: AccountPool<C>,
  index: number,
  why: 'file' | 'reserve',
  skipped: readonly AccountSkip[],
): Chosen<C> {
  return { candidate: candidates[index] as C, index, why, skipped, binds: true };
}
