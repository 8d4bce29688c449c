import type { Config } from '../../config/settings.ts';
import { type AccountPool, groupAccounts } from '../../core/choosing/account-pool.ts';
import { RateLimit } from '../../core/choosing/rate-limit.ts';
import type { Key } from '../../core/keys/key.ts';
import type { KeyHealth } from '../../core/quota/key-health.ts';
import type { Clock } from '../../core/text/time.ts';
import type { LedgerPort } from '../ports.ts';
import type { AffinityStore } from './affinity-store.ts';
import { joinEntries, ownAccountId, PoolEntry, shareHealth } from './pool-entry.ts';

export type PoolMembersOptions = { readonly config: Config; readonly ledger: LedgerPort; readonly clock: Clock };

/** The keys of the pool and their accounts, grouped anew when one of them changes, not per request. */
export class PoolMembers {
  readonly #options: PoolMembersOptions;
  readonly #affinityStore: AffinityStore;
  entries: readonly PoolEntry[] = [];
  enabled: readonly PoolEntry[] = [];
  byLabel: ReadonlyMap<string, PoolEntry> = new Map();
  pool: AccountPool<PoolEntry> = groupAccounts([]);
  /** Accounts whose limit of requests in flight is known. */
  #limited = 0;

  constructor(options: PoolMembersOptions, affinityStore: AffinityStore) {
    this.#options = options;
    this.#affinityStore = affinityStore;
  }

  get anyLimited(): boolean {
    return this.#limited > 0;
  }

  /** Keys that stayed keep what is known of them. */
  replace(keys: readonly Key[]): void {
    const known = this.byLabel;
    this.entries = keys.map((key) => {
      const old = known.get(key.label);
      if (old === undefined) return this.#newEntry(key);
      const { hash, baseUrl } = old.key;
      if (hash !== key.hash || baseUrl !== key.baseUrl) this.#forgetPenalties(old, hash === key.hash);
      if (hash !== key.hash) return this.#newEntry(key);
      old.key = key;
      return old;
    });
    this.enabled = this.entries.filter(({ key }) => !key.disabled);
    this.byLabel = new Map(this.entries.map((entry) => [entry.key.label, entry]));
    this.#regroup();
  }

  /**
   * The label names another credential, or the same at another upstream. What the old one was blocked for is not the new
   * one's, and its account is not known.
   */
  #forgetPenalties({ key: { label }, state: { block, cooldown, errors401, account } }: PoolEntry, isSameKey: boolean): void {
    const { ledger } = this.#options;
    if (account !== null) ledger.forgetAccount(label);
    if (isSameKey) return;
    if (block !== null || errors401 > 0) ledger.clearBlock(label);
    if (cooldown !== null) ledger.clearCooldown(label);
  }

  #newEntry(key: Key): PoolEntry {
    const { config, ledger, clock } = this.#options;
    const limit = new RateLimit({ perSecond: config.proxyMaxRpsPerKey, perMinute: config.proxyMaxRpmPerKey }, clock);
    return new PoolEntry(key, ledger.keyState(key.label), limit);
  }

  /** The state of a key may name another account now. */
  regroupIfChanged(): void {
    if (this.entries.some((entry) => entry.accountId !== accountIdOf(entry))) this.#regroup();
  }

  #regroup(): void {
    const renamed = new Map<string, string>();
    for (const entry of this.entries) {
      const id = accountIdOf(entry);
      if (id !== entry.accountId && entry.accountId === ownAccountId(entry.key.label)) renamed.set(entry.accountId, id);
      entry.accountId = id;
    }
    this.pool = groupAccounts(this.entries);
    this.#limited = 0;
    for (const { places } of this.pool.accounts) {
      const account = joinEntries(places.map((place) => this.entries[place] as PoolEntry));
      if (account.parallelLimit !== null) this.#limited += 1;
    }
    this.#affinityStore.renameAccounts(renamed);
  }

  /** What is with a key whose account was not known is with that account. */
  nameAccounts(): void {
    const known = this.entries.filter(({ state }) => state.account !== null);
    this.#affinityStore.renameAccounts(new Map(known.map(({ key, accountId }) => [ownAccountId(key.label), accountId])));
  }

  setHealth(entry: PoolEntry, health: KeyHealth): void {
    const { account } = entry;
    const wasLimited = account.parallelLimit !== null;
    entry.ownHealth = health;
    shareHealth(account);
    this.#limited += Number(account.parallelLimit !== null) - Number(wasLimited);
  }

  /** The keys of an account; none when it is not in the pool. */
  readonly labelsOf = (accountId: string): readonly string[] =>
    (this.pool.byId.get(accountId)?.places ?? []).map((place) => (this.entries[place] as PoolEntry).key.label);
}

function accountIdOf({ key, state }: PoolEntry): string {
  return state.account?.id ?? ownAccountId(key.label);
}
