import type { Config } from '../../config/settings.ts';
import { isAtLimit } from '../../core/choosing/account-pool.ts';
import type { Strategy } from '../../core/choosing/strategy.ts';
import type { Key } from '../../core/keys/key.ts';
import type { KnownAccount } from '../../core/keys/key-state.ts';
import type { KeyHealth } from '../../core/quota/key-health.ts';
import type { HoldingKind } from '../../core/sessions/uploaded-files.ts';
import type { Clock } from '../../core/text/time.ts';
import type { DeferredPort, HealthPort, LedgerPort, LoginPort, LogPort, TokenOutcome } from '../ports.ts';
import { type Affinity, NO_AFFINITY } from './affinity.ts';
import { AffinityStore } from './affinity-store.ts';
import { Blame } from './blame.ts';
import { type AttemptOutcome, Cooldowns, type FailedAttempt } from './cooldowns.ts';
import { KeyChooser, type PoolChoice } from './key-chooser.ts';
import type { PoolEntry } from './pool-entry.ts';
import { PoolMembers } from './pool-members.ts';

export type KeyPoolOptions = {
  readonly config: Config;
  readonly ledger: LedgerPort;
  readonly log: LogPort;
  readonly clock: Clock;
  readonly deferred: DeferredPort;
};

const NOTHING_TRIED: ReadonlySet<PoolEntry> = new Set();
const NOTHING_FAILED: readonly FailedAttempt[] = Object.freeze([]);

/** Chooses keys for requests; those that fail are put on cooldown or blocked. */
export class KeyPool {
  readonly #options: KeyPoolOptions;
  readonly #cooldowns: Cooldowns;
  readonly #blame: Blame;
  /** Sessions and files, and the accounts they are with. */
  readonly affinityStore: AffinityStore;
  /** Whether it is known which account the session is with. A function of its own, to be handed on. */
  readonly knowsSession = (id: number): boolean => this.affinityStore.sessions.accountOf(id) !== null;
  readonly #members: PoolMembers;
  readonly #chooser: KeyChooser;
  readonly #listeners = new Set<() => void>();
  #logins: LoginPort | null = null;

  constructor(options: KeyPoolOptions, keys: readonly Key[]) {
    this.#options = options;
    this.#cooldowns = new Cooldowns(options);
    this.#blame = new Blame(options, this.#cooldowns);
    this.affinityStore = new AffinityStore(options);
    this.#members = new PoolMembers(options, this.affinityStore);
    this.#members.replace(keys);
    this.#chooser = new KeyChooser(options, this.#members, this.affinityStore);
  }

  get entries(): readonly PoolEntry[] {
    return this.#members.entries;
  }

  /** Those that may serve at all: of a lone one more is held against itself, whatever disabled neighbours it has. */
  get enabled(): readonly PoolEntry[] {
    return this.#members.enabled;
  }

  /** Where a quota refusal asks what `/usages` says of the reset. */
  useHealth(health: HealthPort): void {
    this.#cooldowns.useHealth(health);
  }

  /** Who renews the access tokens of logins. */
  useLogins(logins: LoginPort): void {
    this.#logins = logins;
  }

  /** Gets the login of a key another access token. */
  async renewToken(entry: PoolEntry, refusedToken: string | null): Promise<TokenOutcome> {
    const came = (await this.#logins?.renew(entry.key, refusedToken)) ?? 'no-help';
    // A key that was renamed meanwhile has another entry, and this one is asked once more.
    const present = this.#logins?.current(entry.key) ?? entry.key;
    if (present.value !== entry.key.value) entry.key = Object.freeze({ ...present, label: entry.key.label });
    return came;
  }

  /** The login of a key has another access token, or is over. */
  loginIs(key: Key): void {
    const entry = this.#members.byLabel.get(key.label);
    if (entry === undefined || entry.key.hash !== key.hash) return;
    entry.key = key;
    this.changed();
  }

  /** Somebody has logged in anew: a refusal on record was of the tokens before. */
  loginReplaced(label: string): void {
    const entry = this.#members.byLabel.get(label);
    if (entry === undefined || (entry.state.block?.reason !== 'auth' && entry.state.errors401 === 0)) return;
    this.#options.ledger.clearBlock(label);
    this.changed();
  }

  /** Calls `listener` whenever a key may have become available. Returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls `listener` whenever a key was penalized, on the path of the request. Returns how to stop. */
  onPenalty(listener: () => void): () => void {
    this.#cooldowns.listeners.add(listener);
    return () => this.#cooldowns.listeners.delete(listener);
  }

  /** Something outside changed (state file, health): whoever waits for a key should look again. */
  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Another process wrote the state file. */
  stateChanged(): void {
    this.#members.regroupIfChanged();
    this.changed();
  }

  /** The registry changed. Keys that stayed keep what is known of them; requests under way are not touched. */
  replaceKeys(keys: readonly Key[]): void {
    const { ledger } = this.#options;
    const next = this.entries[ledger.rotationIndex];
    this.#members.replace(keys);
    const index = next === undefined ? -1 : this.entries.findIndex(({ key }) => key.label === next.key.label);
    if (index !== -1 && index !== ledger.rotationIndex) ledger.setRotationIndex(index);
    this.changed();
  }

  /** `GET /me` said which account the key belongs to. */
  setAccount(label: string, account: KnownAccount): void {
    this.#options.ledger.accountIs(label, account);
    this.#members.regroupIfChanged();
  }

  /** Sessions and files that are with a key whose account was not known are with that account. */
  nameAccounts(): void {
    this.#members.nameAccounts();
  }

  /** Whether a request may name a file that only one of several accounts holds. */
  get knowsFiles(): boolean {
    return this.affinityStore.files.size > 0 && this.#members.pool.accounts.length > 1;
  }

  /** The account in this pool that holds the file. A function of its own, to be handed on. */
  readonly accountOfFile = (id: string): string | null => this.#ifHere(this.affinityStore.files.accountOf(id));

  /** The account in this pool that holds the file or batch made last. */
  accountOfLatest(kind: HoldingKind): string | null {
    return this.#ifHere(this.affinityStore.files.latestAccount(kind));
  }

  #ifHere(account: string | null): string | null {
    return account !== null && this.#members.pool.byId.has(account) ? account : null;
  }

  /** Whether choosing asks for the session of a request. */
  get keepsSessions(): boolean {
    return this.#chooser.keepsSessions;
  }

  /** The strategy in force; null while requests stay with the active key. */
  get rotation(): Strategy | null {
    return this.#chooser.rotation;
  }

  /** The place of the active key. */
  activeIndex(): number {
    return this.#chooser.activeIndex();
  }

  /** The key that serves next, if nothing changes before: a request without a session and without files. Null when none can. */
  next(): Key | null {
    return this.#chooser.look(NOTHING_TRIED, NO_AFFINITY).candidate?.key ?? null;
  }

  /** Chooses a key for a request that has tried `tried` already, and moves the rotation on. */
  choose(tried: ReadonlySet<PoolEntry> = NOTHING_TRIED, affinity: Affinity = NO_AFFINITY): PoolChoice {
    return this.#chooser.choose(tried, affinity);
  }

  /** An attempt begins. Each is ended once. */
  began(entry: PoolEntry): void {
    entry.attempts += 1;
    entry.account.inFlight += 1;
  }

  /** `startedAt`: when it began, in epoch ms. */
  ended(entry: PoolEntry, startedAt: number): void {
    const { account } = entry;
    const wasFull = isAtLimit(entry);
    entry.attempts -= 1;
    account.inFlight -= 1;
    // An attempt that found nothing out, as when its client left, must not keep the others waiting for it.
    const wasProbe = account.probedAt !== null && startedAt >= account.probedAt;
    if (wasProbe) account.probedAt = null;
    if (wasFull || wasProbe) this.changed();
  }

  /** An answer under 400 has begun. `failed` are the keys that failed the same request before: now it is known to be their fault. */
  served(entry: PoolEntry, failed: readonly FailedAttempt[], affinity: Affinity = NO_AFFINITY): void {
    if (entry.rateLimitsInARow > 0) for (const other of entry.account.entries) other.rateLimitsInARow = 0;
    entry.rateLimitsInARow = 0;
    if (entry.state.cooldown !== null && this.#blame.endCooldown(entry)) this.changed();
    this.#options.ledger.served(entry.key.label, this.#options.clock());
    if (affinity.session !== null) this.affinityStore.served(affinity, entry, failed);
    if (failed.length > 0) this.#blame.othersServed(entry, failed);
  }

  /** A request was answered in a way that says nothing about the key: by the network, or in dry-run by nobody. */
  answered(entry: PoolEntry, affinity: Affinity = NO_AFFINITY): void {
    this.#options.ledger.answered(entry.key.label, this.#options.clock());
    if (affinity.session !== null) this.affinityStore.served(affinity, entry, NOTHING_FAILED);
  }

  /** An attempt failed. Counts it and puts the key on cooldown or blocks it when the verdict blames it; a burst counts once. */
  failed(entry: PoolEntry, outcome: AttemptOutcome): void {
    if (this.#blame.failed(entry, outcome, this.enabled.length > 1)) this.changed();
  }

  /** A health reading of the key arrived; it counts for all keys of the account. */
  setHealth(label: string, health: KeyHealth): void {
    const entry = this.#members.byLabel.get(label);
    if (entry === undefined) return;
    this.#members.setHealth(entry, health);
    // In dry-run every reading is full, and made up.
    if (!this.#options.config.dryRun) this.#cooldowns.endEarly(entry, health);
    this.changed();
  }

  /** What was read of the key before this proxy began. It ends no cooldown: the refusal may be the newer of the two. */
  healthWas(label: string, health: KeyHealth): void {
    const entry = this.#members.byLabel.get(label);
    if (entry !== undefined) this.#members.setHealth(entry, health);
  }

  /** A blocked key answered again. */
  answeredAgain(label: string): void {
    const entry = this.#members.byLabel.get(label);
    if (entry !== undefined) this.#cooldowns.answeredAgain(entry);
    this.changed();
  }
}
