import type { Config } from '../config/settings.ts';
import { type AccountSkip, isAtLimit } from '../core/account-pool.ts';
import type { KeyHealth } from '../core/health.ts';
import type { Key } from '../core/key.ts';
import type { KnownAccount } from '../core/key-state.ts';
import { type Choice, type PickOptions, pickActive, pickLone, pickRoundRobin } from '../core/rotation.ts';
import { type AffinityChoice, pickQuota, pickSticky } from '../core/strategies.ts';
import type { Strategy } from '../core/strategy.ts';
import type { Clock } from '../core/time.ts';
import { type Affinity, NO_AFFINITY } from './affinity.ts';
import { Blame } from './blame.ts';
import { beginProbe, loadOf, type PoolEntry } from './pool-entry.ts';
import { PoolMembers } from './pool-members.ts';
import type { HealthPort, LedgerPort, LogPort } from './ports.ts';
import { type AttemptOutcome, PutAway } from './put-away.ts';
import { SessionKeeper } from './session-keeper.ts';

export type KeyPoolOptions = {
  readonly config: Config;
  readonly ledger: LedgerPort;
  readonly log: LogPort;
  readonly clock: Clock;
};

export type { PoolEntry } from './pool-entry.ts';
export type { AttemptOutcome } from './put-away.ts';

/** A choice of any strategy, with its reasons. */
export type PoolChoice = Choice<PoolEntry> | AffinityChoice<PoolEntry>;

const NOTHING_TRIED: ReadonlySet<PoolEntry> = new Set();

/** Chooses keys for requests and puts away those that fail. */
export class KeyPool {
  readonly #options: KeyPoolOptions;
  readonly #putAway: PutAway;
  readonly #blame: Blame;
  /** Sessions and files, and the accounts they are with. */
  readonly keeper: SessionKeeper;
  /** Whether it is known which account the session is with. A function of its own, to be handed on. */
  readonly knowsSession = (id: number): boolean => this.keeper.sessions.accountOf(id) !== null;
  readonly #members: PoolMembers;
  /** Whose turn it is among the accounts for a request without a session. */
  #dealPosition = 0;
  readonly #listeners = new Set<() => void>();

  constructor(options: KeyPoolOptions, keys: readonly Key[]) {
    this.#options = options;
    this.#putAway = new PutAway(options);
    this.#blame = new Blame(options, this.#putAway);
    this.keeper = new SessionKeeper(options);
    this.#members = new PoolMembers(options, this.keeper);
    this.#members.replace(keys);
  }

  get entries(): readonly PoolEntry[] {
    return this.#members.entries;
  }

  /** Where a quota refusal asks what `/usages` says of the reset. */
  useHealth(health: HealthPort): void {
    this.#putAway.useHealth(health);
  }

  /** Calls `listener` whenever a key may have become available. Returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
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
    const next = this.entries[this.#options.ledger.store.state.rotationIndex];
    this.#members.replace(keys);
    if (next !== undefined) {
      const index = this.entries.findIndex((entry) => entry.key.label === next.key.label);
      if (index !== -1 && index !== this.#options.ledger.store.state.rotationIndex) this.#options.ledger.setRotationIndex(index);
    }
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

  get isAutoRotating(): boolean {
    return this.#options.ledger.store.state.autoRotate && this.#options.config.autoRotateAllowed;
  }

  /** How auto-rotation picks: as was chosen by command, else as the setting says. */
  get #strategy(): Strategy {
    return this.#options.ledger.store.state.strategy ?? this.#options.config.rotateStrategy;
  }

  /** Whether choosing asks for the session of a request. */
  get keepsSessions(): boolean {
    return this.isAutoRotating && this.#strategy !== 'round-robin';
  }

  /** Whether a request may name a file that only one of several accounts holds. */
  get knowsFiles(): boolean {
    return this.keeper.files.size > 0 && this.#members.pool.accounts.length > 1;
  }

  /** The account in this pool that holds the file. A function of its own, to be handed on. */
  readonly accountOfFile = (id: string): string | null => this.#ifHere(this.keeper.files.accountOf(id));

  /** The account in this pool that got the latest upload. */
  accountOfLatestFile(): string | null {
    return this.#ifHere(this.keeper.files.latestAccount());
  }

  #ifHere(account: string | null): string | null {
    return account !== null && this.#members.pool.byId.has(account) ? account : null;
  }

  /** The key that serves next, if nothing changes before: a request without a session and without files. Null when none can. */
  next(): Key | null {
    return this.#decide(NOTHING_TRIED, NO_AFFINITY, this.activeIndex()).candidate?.key ?? null;
  }

  /** Chooses a key for a request that has tried `tried` already, and moves the rotation on. */
  choose(tried: ReadonlySet<PoolEntry> = NOTHING_TRIED, affinity: Affinity = NO_AFFINITY): PoolChoice {
    const { ledger, clock } = this.#options;
    const activeIndex = this.activeIndex();
    const choice = this.#decide(tried, affinity, activeIndex);
    if (choice.candidate === null) return choice;
    choice.candidate.limit.take();
    if (choice.candidate.state.cooldown !== null) beginProbe(choice.candidate, clock());
    if ('binds' in choice) {
      this.#dealPosition = choice.nextPosition;
      if (choice.binds) this.keeper.chosen(affinity, choice, this.#members.labelsOf);
    } else if (!this.isAutoRotating) this.#noteActive(choice, activeIndex);
    else ledger.setRotationIndex((choice.index + 1) % this.entries.length);
    return choice;
  }

  /** What `choose` answers, without moving anything on. */
  #decide(tried: ReadonlySet<PoolEntry>, affinity: Affinity, activeIndex: number): PoolChoice {
    const { config, clock } = this.#options;
    const options: PickOptions<PoolEntry> = {
      now: clock(),
      requireUsage: config.requireUsageBeforeRequest,
      failOpen: config.failOpenOnEmptyCache,
      tried,
      limitWaitMs,
      isBusy: !this.#members.anyLimited ? null : isAtLimit,
    };
    let choice = this.#pick(options, affinity, activeIndex);
    if (choice.candidate === null && (config.proxyWaitSeconds === 0 || tried.size > 0))
      choice = this.#pickBusy(choice.skipped, options, affinity, activeIndex) ?? choice;
    if (choice.candidate === null && config.proxyWaitSeconds === 0) choice = pickLone(this.entries, options) ?? choice;
    return choice;
  }

  #pick(options: PickOptions<PoolEntry>, { session, fileAccountId }: Affinity, activeIndex: number): PoolChoice {
    const strategy = this.#strategy;
    // Whatever the rotation, only the account that holds a file can answer for it; manual mode keeps its active key.
    const isFree = fileAccountId === null || !this.#members.pool.byId.has(fileAccountId);
    if (!this.isAutoRotating) {
      const choice = pickActive(this.entries, activeIndex, options);
      if (isFree || choice.candidate?.accountId === fileAccountId) return choice;
    }
    if (strategy === 'round-robin' && isFree)
      return pickRoundRobin(this.entries, this.#options.ledger.store.state.rotationIndex, options);
    const request = { session: session?.id ?? null, fileAccountId, position: this.#dealPosition };
    const pick = strategy === 'quota' ? pickQuota : pickSticky;
    return pick(this.#members.pool, request, this.keeper.sessions, options);
  }

  /** Nobody is free: the least loaded account is asked anyway. Its limit is a reading, and the upstream's own refusal is handled. */
  #pickBusy(
    skipped: readonly AccountSkip[],
    options: PickOptions<PoolEntry>,
    affinity: Affinity,
    activeIndex: number,
  ): PoolChoice | null {
    let least = Number.POSITIVE_INFINITY;
    for (const { label, reason } of skipped) {
      const entry = reason === 'busy' ? this.#members.byLabel.get(label) : undefined;
      if (entry !== undefined) least = Math.min(least, loadOf(entry));
    }
    if (least === Number.POSITIVE_INFINITY) return null;
    return this.#pick({ ...options, isBusy: (entry) => loadOf(entry) > least }, affinity, activeIndex);
  }

  /** The place of the active key; the first key until one was chosen, or when the active one is gone. */
  activeIndex(): number {
    const { activeKey, activeIndex } = this.#options.ledger.store.state;
    if (activeKey === null) return Math.min(activeIndex, Math.max(this.entries.length - 1, 0));
    // Nearly always where it was; after a change of the registry it is looked for.
    if (this.entries[activeIndex]?.key.label === activeKey) return activeIndex;
    return Math.max(
      this.entries.findIndex((entry) => entry.key.label === activeKey),
      0,
    );
  }

  /** The key that stands in for an active key that cannot serve becomes the active one; one that only helps out does not. */
  #noteActive(choice: Extract<PoolChoice, { candidate: PoolEntry }>, activeIndex: number): void {
    const active = this.entries[activeIndex];
    if (choice.index === activeIndex && this.#options.ledger.store.state.activeKey !== null) return;
    const skip = choice.skipped.find(({ label }) => label === active?.key.label);
    if (skip !== undefined && HELPED_OUT.has(skip.reason)) return;
    this.#options.ledger.setActive(choice.candidate.key.label, choice.index);
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
  served(
    entry: PoolEntry,
    failed: readonly { entry: PoolEntry; outcome: AttemptOutcome }[],
    affinity: Affinity = NO_AFFINITY,
  ): void {
    if (entry.strikes > 0) for (const other of entry.account.entries) other.strikes = 0;
    entry.strikes = 0;
    if (entry.state.cooldown !== null && this.#blame.restIsOver(entry)) this.changed();
    this.#options.ledger.served(entry.key.label, this.#options.clock());
    if (affinity.session !== null) this.keeper.served(affinity, entry);
    if (failed.length > 0) this.#blame.othersServed(entry, failed);
  }

  /** An answer under 400 has begun that says nothing about the key. */
  answered(entry: PoolEntry): void {
    this.#options.ledger.answered(entry.key.label, this.#options.clock());
  }

  /** An attempt failed. Counts it and puts the key away when the verdict blames it; a burst counts once. */
  failed(entry: PoolEntry, outcome: AttemptOutcome): void {
    if (this.#blame.failed(entry, outcome, this.entries.length > 1)) this.changed();
  }

  /** A health reading of the key arrived; it counts for all keys of the account. */
  setHealth(label: string, health: KeyHealth): void {
    const entry = this.#members.byLabel.get(label);
    if (entry === undefined) return;
    this.#members.setHealth(entry, health);
    // In dry-run every reading is full, and made up.
    if (!this.#options.config.dryRun) this.#putAway.endEarly(entry, health);
    this.changed();
  }

  /** A blocked key answered again. */
  answeredAgain(label: string): void {
    const entry = this.#members.byLabel.get(label);
    if (entry !== undefined) this.#putAway.answeredAgain(entry);
    this.changed();
  }
}

/** Why an active key stays the active one although another served. */
const HELPED_OUT: ReadonlySet<AccountSkip['reason']> = new Set([
  'tried',
  'key_rate_limit',
  'busy',
  'probing',
  'upstream',
] as const);

function limitWaitMs(entry: PoolEntry): number {
  return entry.limit.waitMs();
}
