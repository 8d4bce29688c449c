import type { Config } from '../../config/settings.ts';
import type { AccountSkip } from '../../core/choosing/account-pool.ts';
import { type KeyOut, type NoKey, noKeyWords, whyOut } from '../../core/choosing/no-key.ts';
import type { Clock } from '../../core/text/time.ts';
import { KmiError } from '../../errors.ts';
import { NOT_ASKED } from './acquire-key.ts';
import type { PoolChoice } from './key-chooser.ts';
import type { KeyPool } from './key-pool.ts';
import type { PoolEntry } from './pool-entry.ts';

export type NoKeyParts = { readonly config: Config; readonly pool: KeyPool; readonly clock: Clock };

/** Why no key could be chosen, for the person at the client: what is the matter with the keys, and when to come back. */
export function noKeyError(choice: PoolChoice, { config, pool, clock }: NoKeyParts): KmiError {
  if (choice.candidate !== null) throw new Error('A key was chosen.');
  if (pool.entries.length === 0) return new KmiError('no_keys', 'The proxy has no keys.');
  const now = clock();
  const { text, fix, returnsAt: known } = noKeyWords(keysOut(pool.entries, choice.skipped, now), { now, zone: config.timezone });
  const returnsAt = choice.returnsAt ?? known;
  const wait = returnsAt === null ? {} : { retryAfterSeconds: Math.max(1, Math.ceil((returnsAt - now) / 1000)) };
  const isOwnLimit = choice.skipped.length > 0 && choice.skipped.every(({ reason }) => reason === 'key_rate_limit');
  return isOwnLimit ? new KmiError('rate_limited', text, wait) : new KmiError('no_eligible_key', text, { ...wait, hint: fix });
}

/** The same for a request that found it out: null while a key can serve, and for a lone key, of which its own error says all. */
export function noKeyLeft({ config, pool, clock }: NoKeyParts): NoKey | null {
  if (pool.enabled.length < 2 || pool.next() !== null) return null;
  const now = clock();
  return noKeyWords(keysOut(pool.entries, NOT_ASKED.skipped, now), { now, zone: config.timezone });
}

/** Every key with its own reason: a choice by accounts names one key each, whose reason is then that of its account. */
function keysOut(entries: readonly PoolEntry[], skipped: readonly AccountSkip[], now: number): readonly KeyOut[] {
  const byLabel = new Map(skipped.map((skip) => [skip.label, skip]));
  return entries.map((entry) => {
    const own = whyOut(entry, now);
    const mates = own === null ? [entry, ...entry.account.entries] : [entry];
    const skip = mates.map(({ key }) => byLabel.get(key.label)).find((found) => found !== undefined);
    // What the choice says of a key that could serve otherwise: its rate limit, requests under way.
    if (own === null || skip?.reason === 'no_usage')
      return { reason: skip?.reason ?? 'busy', until: skip?.until ?? null, isReturn: true };
    return own;
  });
}
