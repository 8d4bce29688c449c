import { hasWallet, isRenewed } from '../quota/key-health.ts';
import type { Candidate, SkipReason } from './eligibility.ts';
import { hashAccount } from './rendezvous.ts';
import { type PickOptions, type Skip, whyNot } from './why-not.ts';

/** A key that knows its account. Quota, cooldowns and the limit of requests at a time belong to the account. */
export type AccountCandidate = Candidate & {
  readonly accountId: string;
  /** Requests the account has in flight, over all its keys. */
  readonly inFlight: number;
  /** null: not known, so not limited. */
  readonly parallelLimit: number | null;
};

export type Account = {
  readonly id: string;
  readonly hash: number;
  /** The largest of its keys'. */
  readonly weight: number;
  /** Its own place among the accounts. */
  readonly turn: number;
  /** Its keys, as places in the candidates. */
  readonly places: readonly number[];
};

/** Candidates by account: made when the keys change, not per request. */
export type AccountPool<C extends AccountCandidate> = {
  readonly candidates: readonly C[];
  readonly accounts: readonly Account[];
  readonly byId: ReadonlyMap<string, Account>;
};

export function groupAccounts<C extends AccountCandidate>(candidates: readonly C[]): AccountPool<C> {
  const places = new Map<string, number[]>();
  for (const [place, { accountId }] of candidates.entries()) {
    const known = places.get(accountId);
    if (known === undefined) places.set(accountId, [place]);
    else known.push(place);
  }
  const accounts = [...places].map(([id, of], turn): Account => {
    const weight = Math.max(...of.map((place) => (candidates[place] as C).key.weight));
    return { id, hash: hashAccount(id), weight, turn, places: of };
  });
  return { candidates, accounts, byId: new Map(accounts.map((account) => [account.id, account])) };
}

/**
 * How much is asked of an account: `free`, that plan quota is left; `ready`, that it can serve, from its wallet too;
 * `fail_open`, without a health reading; `reserve`, that it at least may be tried: it failed while others worked, or its
 * last reading says empty. Each level takes all that the ones before it take.
 */
export type Level = 'free' | 'ready' | 'fail_open' | 'reserve';

export type AccountSkipReason = SkipReason | 'wallet';
export type AccountSkip = Omit<Skip, 'reason'> & { readonly reason: AccountSkipReason };

/** Place of the account's first key that can serve at this level; the reason of its last key when none can. */
export function serveAt<C extends AccountCandidate>(
  { candidates }: AccountPool<C>,
  account: Account,
  level: Level,
  options: PickOptions<C>,
): number | AccountSkip {
  let skip: AccountSkip | null = null;
  for (const place of account.places) {
    skip = whyNotAt(candidates[place] as C, level, options);
    if (skip === null) return place;
  }
  return skip as AccountSkip;
}

function whyNotAt<C extends AccountCandidate>(candidate: C, level: Level, options: PickOptions<C>): AccountSkip | null {
  const readingMatters = options.requireUsage && !(options.failOpen && (level === 'fail_open' || level === 'reserve'));
  const skip = whyNot(candidate, level === 'reserve', readingMatters, options.isBusy ?? isAtLimit, options);
  if (skip !== null || level !== 'free') return skip;
  return isOnWallet(candidate, options.now) ? { label: candidate.key.label, reason: 'wallet', until: null } : null;
}

function isOnWallet({ health }: Candidate, now: number): boolean {
  const usage = health?.usage ?? null;
  return health !== null && usage !== null && (usage.remainingShare ?? 1) <= 0 && hasWallet(usage) && !isRenewed(health, now);
}

/** As many requests in flight as the upstream lets the account have. */
export function isAtLimit({ inFlight, parallelLimit }: AccountCandidate): boolean {
  return parallelLimit !== null && inFlight >= parallelLimit;
}
