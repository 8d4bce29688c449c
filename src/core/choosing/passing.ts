import type { AccountSkipReason } from './account-pool.ts';

/**
 * How soon what keeps a key from a request passes by itself. `moment`: when other requests are done; `limit`: with the key's
 * own rate limit, in a minute at most; `reading`: with the next `/usages`; `request`: with this one, which had tried it;
 * `cooldown`: with a cooldown after failures, in which the key is still a reserve. Null: it stays, or nobody knows how long.
 */
const PASSES: Readonly<Record<AccountSkipReason, 'moment' | 'limit' | 'reading' | 'request' | 'cooldown' | null>> = {
  busy: 'moment',
  probing: 'moment',
  key_rate_limit: 'limit',
  no_usage: 'reading',
  tried: 'request',
  upstream: 'cooldown',
  rate: null,
  quota: null,
  empty: null,
  wallet: null,
  disabled: null,
  login_expired: null,
  auth: null,
  payment_required: null,
  banned: null,
  blocked: null,
};

/** Nobody need be told of it: the key serves again before a person could look. */
export function isMomentary(reason: AccountSkipReason): boolean {
  return PASSES[reason] === 'moment';
}

/** A session stays with its account meanwhile: not worth a cold cache. */
export function keepsSession(reason: AccountSkipReason): boolean {
  const passes = PASSES[reason];
  return passes === 'moment' || passes === 'limit' || passes === 'reading';
}

/** The active key stays the active one while another helps out. That one is asked by every request, so no cache is lost. */
export function keepsActive(reason: AccountSkipReason): boolean {
  const passes = PASSES[reason];
  return passes !== null && passes !== 'reading';
}
