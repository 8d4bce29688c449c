import type { AccountSkip } from '../../core/choosing/account-pool.ts';
import type { Clock } from '../../core/text/time.ts';
import { KmiError } from '../../errors.ts';
import type { PoolChoice } from './key-chooser.ts';
import type { KeyPool } from './key-pool.ts';

/** Why no key could be chosen, for the client: with the reasons by how often they occur, and when to come back. */
export function noKeyError(choice: PoolChoice, { pool, clock }: { readonly pool: KeyPool; readonly clock: Clock }): KmiError {
  if (choice.candidate !== null) throw new Error('A key was chosen.');
  const retryAfterSeconds = choice.returnsAt === null ? null : Math.max(1, Math.ceil((choice.returnsAt - clock()) / 1000));
  const options = retryAfterSeconds === null ? {} : { retryAfterSeconds };
  if (pool.entries.length === 0) return new KmiError('no_keys', 'The proxy has no keys.', options);
  if (choice.skipped.length > 0 && choice.skipped.every(({ reason }) => reason === 'key_rate_limit')) {
    return new KmiError('rate_limited', 'Every key is at its own rate limit.', options);
  }
  return new KmiError('no_eligible_key', `No key can serve now (${summarise(choice.skipped)}).`, options);
}

/** "2 quota, 1 auth": reasons by how often they occur. */
function summarise(skipped: readonly AccountSkip[]): string {
  const counts = new Map<string, number>();
  for (const { reason } of skipped) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([reason, count]) => `${count} ${reason}`)
    .join(', ');
}
