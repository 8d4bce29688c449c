import { type Candidate, eligibilityOf, type SkipReason } from './eligibility.ts';

export type Skip = {
  readonly label: string;
  readonly reason: SkipReason;
  /** Epoch ms of the return, when known. */
  readonly until: number | null;
};

export type PickOptions<C extends Candidate> = {
  readonly now: number;
  /** Only keys with a good cached `/usages`. */
  readonly requireUsage: boolean;
  /** When no key can serve, drop the conditions that depend on health readings. */
  readonly failOpen: boolean;
  /** Keys this request has already tried. */
  readonly tried: ReadonlySet<C>;
  /** ms until the key's own rate limit lets a request pass; 0 for now. */
  readonly limitWaitMs: (candidate: C) => number;
  /** Whether the candidate's account has as many requests in flight as it may; absent or null: no limit is known. */
  readonly isBusy?: ((candidate: C) => boolean) | null;
};

/**
 * Why a key cannot have the request; null when it can. `takesReserves`: a key that failed while others worked, or whose
 * reading says empty, may be tried; `readingMatters`: only one with a reading can serve.
 */
export function whyNot<C extends Candidate>(
  candidate: C,
  takesReserves: boolean,
  readingMatters: boolean,
  isBusy: ((candidate: C) => boolean) | null,
  options: PickOptions<C>,
): Skip | null {
  const { label } = candidate.key;
  const { now } = options;
  if (options.tried.has(candidate)) return { label, reason: 'tried', until: null };
  const eligibility = eligibilityOf(candidate, now);
  if (eligibility.is !== 'ready') {
    const { reason, until } = eligibility;
    const mayTry = takesReserves && eligibility.is === 'reserve' && (reason !== 'empty' || options.failOpen);
    if (!mayTry) return { label, reason, until };
  }
  if (isBusy?.(candidate) === true) return { label, reason: 'busy', until: null };
  const limitWaitMs = options.limitWaitMs(candidate);
  if (limitWaitMs > 0) return { label, reason: 'key_rate_limit', until: now + limitWaitMs };
  if (readingMatters && (candidate.health?.usage ?? null) === null) return { label, reason: 'no_usage', until: null };
  return null;
}
