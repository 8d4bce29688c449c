import type { Config } from '../config/settings.ts';
import { type KeyHealth, quotaReturnsAt } from '../core/health.ts';
import type { Key } from '../core/key.ts';
import type { KeyState } from '../core/key-state.ts';
import { countedError, penaltyFor } from '../core/penalty.ts';
import { RateLimit } from '../core/rate-limit.ts';
import { type Choice, pickActive, pickLone, pickRoundRobin } from '../core/rotation.ts';
import type { Candidate } from '../core/standing.ts';
import type { Clock } from '../core/time.ts';
import { CONSEQUENCES, type VerdictClass } from '../core/verdict.ts';
import type { HealthPort, LedgerPort, LogPort } from './ports.ts';

/** One key as the proxy sees it: what choosing looks at, and what only this process knows. */
export type PoolEntry = Candidate & {
  health: KeyHealth | null;
  readonly limit: RateLimit;
  /** Rate-limit answers in a row. */
  strikes: number;
  /** When the key was last put away; attempts begun before belong to the same burst of failures. Epoch ms. */
  putAwayAt: number;
};

export type KeyPoolOptions = {
  readonly config: Config;
  readonly ledger: LedgerPort;
  readonly log: LogPort;
  readonly clock: Clock;
};

/** The outcome of one attempt, as far as it concerns the key. */
export type AttemptOutcome = {
  readonly verdict: VerdictClass;
  readonly status: number;
  readonly retryAfterMs: number | null;
  /** Epoch ms. */
  readonly startedAt: number;
};

const NOTHING_TRIED: ReadonlySet<PoolEntry> = new Set();

/** Chooses keys for requests and puts away those that fail. */
export class KeyPool {
  readonly #options: KeyPoolOptions;
  #entries: readonly PoolEntry[] = [];
  #byLabel: ReadonlyMap<string, PoolEntry> = new Map();
  #health: HealthPort | null = null;
  readonly #listeners = new Set<() => void>();

  constructor(options: KeyPoolOptions, keys: readonly Key[]) {
    this.#options = options;
    this.replaceKeys(keys);
  }

  get entries(): readonly PoolEntry[] {
    return this.#entries;
  }

  /** Where a quota refusal asks what `/usages` says of the reset. */
  useHealth(health: HealthPort): void {
    this.#health = health;
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

  /** The registry changed. Keys that stayed keep what is known of them; requests under way are not touched. */
  replaceKeys(keys: readonly Key[]): void {
    const known = this.#byLabel;
    const next = this.#entries[this.#options.ledger.store.state.rotationIndex];
    this.#entries = keys.map((key) => {
      const old = known.get(key.label);
      if (old !== undefined && old.key.hash === key.hash) return { ...old, key };
      if (old !== undefined) this.#forgive(key.label, old.state);
      return this.#newEntry(key);
    });
    this.#byLabel = new Map(this.#entries.map((entry) => [entry.key.label, entry]));
    if (next !== undefined) {
      const index = this.#entries.findIndex((entry) => entry.key.label === next.key.label);
      if (index !== -1 && index !== this.#options.ledger.store.state.rotationIndex) this.#options.ledger.setRotationIndex(index);
    }
    this.changed();
  }

  /** The label names another credential now: what the old one was put away for is not the new one's. */
  #forgive(label: string, { block, cooldown, errors401 }: KeyState): void {
    if (block !== null || errors401 > 0) this.#options.ledger.clearBlock(label);
    if (cooldown !== null) this.#options.ledger.clearCooldown(label);
  }

  #newEntry(key: Key): PoolEntry {
    const { config, ledger, clock } = this.#options;
    const state: KeyState = ledger.store.keyState(key.label);
    const limit = new RateLimit({ perSecond: config.proxyMaxRpsPerKey, perMinute: config.proxyMaxRpmPerKey }, clock);
    return { key, state, health: null, limit, strikes: 0, putAwayAt: 0 };
  }

  get isAutoRotating(): boolean {
    return this.#options.ledger.store.state.autoRotate && this.#options.config.autoRotateAllowed;
  }

  /** Chooses a key for a request that has tried `tried` already, and moves the rotation on. */
  choose(tried: ReadonlySet<PoolEntry> = NOTHING_TRIED): Choice<PoolEntry> {
    const { config, ledger, clock } = this.#options;
    const options = {
      now: clock(),
      includeWarn: config.rotateIncludeWarn,
      requireUsage: config.requireUsageBeforeRequest,
      failOpen: config.failOpenOnEmptyCache,
      tried,
      limitWaitMs,
    };
    const activeIndex = this.activeIndex();
    const usual = this.isAutoRotating
      ? pickRoundRobin(this.#entries, ledger.store.state.rotationIndex, options)
      : pickActive(this.#entries, activeIndex, options);
    const choice =
      usual.candidate === null && config.proxyWaitSeconds === 0 ? (pickLone(this.#entries, options) ?? usual) : usual;
    if (choice.candidate === null) return choice;
    choice.candidate.limit.take();
    if (this.isAutoRotating) ledger.setRotationIndex((choice.index + 1) % this.#entries.length);
    else this.#noteActive(choice, activeIndex);
    return choice;
  }

  /** The place of the active key; the first key until one was chosen, or when the active one is gone. */
  activeIndex(): number {
    const { activeKey, activeIndex } = this.#options.ledger.store.state;
    if (activeKey === null) return Math.min(activeIndex, Math.max(this.#entries.length - 1, 0));
    // Nearly always where it was; after a change of the registry it is looked for.
    if (this.#entries[activeIndex]?.key.label === activeKey) return activeIndex;
    return Math.max(
      this.#entries.findIndex((entry) => entry.key.label === activeKey),
      0,
    );
  }

  /** The key that stands in for an active key that cannot serve becomes the active one; one that only helps out does not. */
  #noteActive(choice: Extract<Choice<PoolEntry>, { candidate: PoolEntry }>, activeIndex: number): void {
    const active = this.#entries[activeIndex];
    if (choice.index === activeIndex && this.#options.ledger.store.state.activeKey !== null) return;
    const skip = choice.skipped.find(({ label }) => label === active?.key.label);
    if (skip !== undefined && (skip.reason === 'tried' || skip.reason === 'key_rate_limit' || skip.reason === 'upstream')) return;
    this.#options.ledger.setActive(choice.candidate.key.label, choice.index);
  }

  /** An answer under 400 has begun. `failed` are the keys that failed the same request before: now it is known to be their fault. */
  served(entry: PoolEntry, failed: readonly { entry: PoolEntry; outcome: AttemptOutcome }[]): void {
    entry.strikes = 0;
    this.#options.ledger.served(entry.key.label, this.#options.clock());
    for (const { entry: other, outcome } of failed) {
      if (CONSEQUENCES[outcome.verdict].blame !== 'if-others-work' || other === entry || isOfBurst(other, outcome)) continue;
      const counter = countedError(outcome.verdict, outcome.status);
      if (counter !== null && this.#awaitsOthers(outcome)) this.#options.ledger.blamed(other.key.label, counter);
      this.#putAway(other, outcome);
    }
  }

  /** An attempt failed. Counts it and puts the key away when the verdict blames it; a burst counts once. */
  failed(entry: PoolEntry, outcome: AttemptOutcome): void {
    const { ledger, clock } = this.#options;
    const sameBurst = isOfBurst(entry, outcome);
    const counter = sameBurst || this.#awaitsOthers(outcome) ? null : countedError(outcome.verdict, outcome.status);
    if (counter === null) ledger.answered(entry.key.label, clock());
    else ledger.failed(entry.key.label, clock(), counter);
    const { blame } = CONSEQUENCES[outcome.verdict];
    if (!sameBurst && (blame === 'key' || blame === 'account')) this.#putAway(entry, outcome);
  }

  /**
   * Whether a failure is held against the key only once another key serves the same request. Counting an outage against
   * every key would leave unequal counters behind, and round-robin passes over keys with errors on record.
   */
  #awaitsOthers({ verdict }: AttemptOutcome): boolean {
    return CONSEQUENCES[verdict].blame === 'if-others-work' && this.#entries.length > 1;
  }

  #putAway(entry: PoolEntry, outcome: AttemptOutcome): void {
    const { config, ledger, clock, log } = this.#options;
    const now = clock();
    const penalty = penaltyFor(outcome.verdict, {
      now,
      retryAfterMs: outcome.retryAfterMs,
      quotaReturnsAt: entry.health?.usage == null ? null : quotaReturnsAt(entry.health.usage),
      strikes: entry.strikes,
      settings: config,
    });
    if (penalty === null) return;
    entry.putAwayAt = now;
    if (outcome.verdict === 'rate') entry.strikes += 1;
    ledger.putAway(entry.key.label, penalty);
    const until = penalty.kind === 'block' ? penalty.block.until : penalty.cooldown.until;
    const details = {
      key_label: entry.key.label,
      verdict: outcome.verdict,
      status: outcome.status,
      until: until === null ? null : new Date(until).toISOString(),
    };
    if (outcome.verdict === 'banned')
      log.error('The upstream has closed this account; its key is out of the pool until a person clears it.', details);
    else log.warn('A key was put away.', details);
    if (outcome.verdict === 'quota') this.#findReset(entry, now);
  }

  /** A refused quota is parked by the setting first; `/usages` then says when the window really returns. */
  #findReset(entry: PoolEntry, parkedAt: number): void {
    this.#health?.refreshNow(entry.key).then(
      (health) => {
        const returnsAt = health.usage === null ? null : quotaReturnsAt(health.usage);
        const { cooldown } = entry.state;
        if (returnsAt === null || cooldown?.reason !== 'quota' || entry.putAwayAt !== parkedAt || returnsAt <= parkedAt) return;
        this.#options.ledger.putAway(entry.key.label, { kind: 'cooldown', cooldown: { reason: 'quota', until: returnsAt } });
      },
      () => undefined,
    );
  }

  /**
   * A health reading arrived. A long rest for quota, which only a window's stated reset gives, ends when the reading says
   * that there is quota again: an early reset or a purchase. A short one is left to pass: right after a refusal the
   * upstream's readings may still say that nothing was used (kimi-api.md 3.4).
   */
  setHealth(label: string, health: KeyHealth): void {
    const entry = this.#byLabel.get(label);
    if (entry === undefined) return;
    entry.health = health;
    const { cooldown } = entry.state;
    const now = this.#options.clock();
    const isLong = cooldown?.reason === 'quota' && cooldown.until - now > this.#options.config.rotationCooldownSeconds * 1000;
    const share = health.usage?.remainingShare ?? null;
    if (isLong && health.error === null && ((share !== null && share > 0) || (health.usage?.walletCents ?? 0) > 0)) {
      this.#options.ledger.clearCooldown(label);
      this.#options.log.info('A key has quota again before its window was due.', { key_label: label });
    }
    this.changed();
  }
}

/** The attempt began before the key was last put away, so its failure is not news. */
function isOfBurst(entry: PoolEntry, outcome: AttemptOutcome): boolean {
  return outcome.startedAt <= entry.putAwayAt;
}

function limitWaitMs(entry: PoolEntry): number {
  return entry.limit.waitMs();
}
