import type { AccountCandidate } from '../../core/choosing/account-pool.ts';
import type { RateLimit } from '../../core/choosing/rate-limit.ts';
import type { Key } from '../../core/keys/key.ts';
import type { KeyState } from '../../core/keys/key-state.ts';
import type { KeyHealth } from '../../core/quota/key-health.ts';
import type { Credential } from '../http/headers.ts';

/** What the keys of one account share. Made anew when keys or accounts change. */
export type SharedAccount = {
  readonly entries: readonly PoolEntry[];
  /** Attempts under way over all its keys. */
  inFlight: number;
  /** By the freshest `/usages` reading of any of its keys; null when that does not say. */
  parallelLimit: number | null;
  /** When a request was last sent to find out whether a cooldown is over; null when none is awaited. Epoch ms. */
  probedAt: number | null;
};

/** The account of a key is not known: it counts as one of its own. */
export function ownAccountId(label: string): string {
  return `key:${label}`;
}

/** One key as the proxy sees it: what choosing looks at, and what only this process knows. */
export class PoolEntry implements AccountCandidate {
  #key: Key;
  #credential: Credential;
  readonly state: KeyState;
  readonly limit: RateLimit;
  /** The freshest reading of the account. */
  health: KeyHealth | null = null;
  /** This key's own reading. */
  ownHealth: KeyHealth | null = null;
  accountId: string;
  account: SharedAccount;
  /** Attempts under way with this key. */
  attempts = 0;
  rateLimitsInARow = 0;
  /** When the key was last put on cooldown or blocked; attempts begun before belong to the same burst of failures. Epoch ms. */
  penalizedAt = 0;

  constructor(key: Key, state: KeyState, limit: RateLimit) {
    this.#key = key;
    this.#credential = credentialOf(key);
    this.state = state;
    this.limit = limit;
    this.accountId = ownAccountId(key.label);
    this.account = { entries: [this], inFlight: 0, parallelLimit: null, probedAt: null };
  }

  get key(): Key {
    return this.#key;
  }

  set key(key: Key) {
    this.#key = key;
    this.#credential = credentialOf(key);
  }

  get credential(): Credential {
    return this.#credential;
  }

  get inFlight(): number {
    return this.account.inFlight;
  }

  get probedAt(): number | null {
    return this.account.probedAt;
  }

  get parallelLimit(): number | null {
    return this.account.parallelLimit;
  }
}

function credentialOf({ value }: Key): Credential {
  return { value, bearer: `Bearer ${value}` };
}

/** Makes these the keys of one account, with their attempts under way. */
export function joinEntries(entries: readonly PoolEntry[]): SharedAccount {
  const account: SharedAccount = { entries, inFlight: 0, parallelLimit: null, probedAt: null };
  for (const entry of entries) {
    entry.account = account;
    account.inFlight += entry.attempts;
  }
  shareHealth(account);
  return account;
}

/** Quota is the account's, so its freshest reading serves all its keys; without one each key has what its own call said. */
export function shareHealth(account: SharedAccount): void {
  let freshest: KeyHealth | null = null;
  for (const { ownHealth } of account.entries) {
    if (ownHealth === null || ownHealth.usage === null) continue;
    if (freshest === null || ownHealth.fetchedAt > freshest.fetchedAt) freshest = ownHealth;
  }
  for (const entry of account.entries) entry.health = freshest ?? entry.ownHealth;
  account.parallelLimit = freshest?.usage?.parallelLimit ?? null;
}

/** How full the account is: 1 and more at its limit. */
export function loadOf({ inFlight, parallelLimit }: PoolEntry): number {
  return parallelLimit === null ? 0 : inFlight / Math.max(parallelLimit, 1);
}

/** A request goes to a key whose cooldown is over, with no end that the upstream stated: it goes first. */
export function beginProbe({ state: { cooldown }, account }: PoolEntry, now: number): void {
  if (cooldown?.end !== undefined && cooldown.until <= now) account.probedAt = now;
}
