import type { Config } from '../../config/settings.ts';
import { type AccountSkip, isAtLimit } from '../../core/choosing/account-pool.ts';
import type { Choice, ChoiceReason, Chosen } from '../../core/choosing/choice.ts';
import { keepsActive } from '../../core/choosing/passing.ts';
import { pickActive, pickLone } from '../../core/choosing/rotation.ts';
import { pickFileHolder } from '../../core/choosing/strategies/file-holder.ts';
import { type StrategyAtWork, startStrategies } from '../../core/choosing/strategies.ts';
import { rotationInForce, STRATEGY_FACTS, type Strategy } from '../../core/choosing/strategy.ts';
import type { PickOptions } from '../../core/choosing/why-not.ts';
import type { Clock } from '../../core/text/time.ts';
import type { RotationState } from '../ports.ts';
import type { Affinity } from './affinity.ts';
import type { AffinityStore } from './affinity-store.ts';
import { beginProbe, loadOf, type PoolEntry } from './pool-entry.ts';
import type { PoolMembers } from './pool-members.ts';

export type ChooserOptions = {
  readonly config: Config;
  readonly ledger: RotationState & {
    setActive(label: string, index: number): void;
    setRotationIndex(index: number): void;
  };
  readonly clock: Clock;
};

/** A choice of any strategy, with its reasons. */
export type PoolChoice = Choice<PoolEntry>;

/** Asks the strategy in force, or manual mode, which key of the pool serves a request. */
export class KeyChooser {
  readonly #options: ChooserOptions;
  readonly #members: PoolMembers;
  readonly #affinityStore: AffinityStore;
  readonly #strategies: ReturnType<typeof startStrategies>;

  constructor(options: ChooserOptions, members: PoolMembers, affinityStore: AffinityStore) {
    this.#options = options;
    this.#members = members;
    this.#affinityStore = affinityStore;
    const { ledger } = options;
    this.#strategies = startStrategies({
      get rotationIndex() {
        return ledger.rotationIndex;
      },
      set rotationIndex(index) {
        ledger.setRotationIndex(index);
      },
      dealPosition: 0,
      sessions: affinityStore.sessions,
    });
  }

  /** The strategy in force; null while requests stay with the active key. */
  get rotation(): Strategy | null {
    return rotationInForce(this.#options.ledger, this.#options.config);
  }

  get #atWork(): StrategyAtWork | null {
    const { rotation } = this;
    return rotation === null ? null : this.#strategies[rotation];
  }

  /** Whether choosing asks for the session of a request. */
  get keepsSessions(): boolean {
    const { rotation } = this;
    return rotation !== null && STRATEGY_FACTS[rotation].keepsSessions;
  }

  /** What `choose` would answer, without moving anything on. */
  look(tried: ReadonlySet<PoolEntry>, affinity: Affinity): PoolChoice {
    return this.#decide(tried, affinity, this.activeIndex());
  }

  /** Chooses a key for a request that has tried `tried` already, and moves the rotation on. */
  choose(tried: ReadonlySet<PoolEntry>, affinity: Affinity): PoolChoice {
    const activeIndex = this.activeIndex();
    const decided = this.#decide(tried, affinity, activeIndex);
    if (decided.candidate === null) return decided;
    // Placed by this request, a session has left nothing behind, however often the request goes on.
    const choice = affinity.isNew && OF_A_KNOWN_SESSION.has(decided.why) ? { ...decided, why: 'placed' as const } : decided;
    choice.candidate.limit.take();
    // In dry-run no request finds anything out.
    if (choice.candidate.state.cooldown !== null && !this.#options.config.dryRun)
      beginProbe(choice.candidate, this.#options.clock());
    if (choice.binds) this.#affinityStore.chosen(affinity, choice, this.#members.labelsOf);
    const atWork = this.#atWork;
    if (atWork !== null) atWork.taken(choice, this.#members.pool, affinity.session?.id ?? null);
    else if (!choice.binds) this.#noteActive(choice, activeIndex);
    return choice;
  }

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
    if (choice.candidate === null && config.proxyWaitSeconds === 0)
      choice = pickLone(this.#members.entries, this.#members.enabled, options) ?? choice;
    return choice;
  }

  #pick(options: PickOptions<PoolEntry>, { session, fileAccountId }: Affinity, activeIndex: number): PoolChoice {
    const { pool } = this.#members;
    // Whatever the rotation, only the account that holds a file can answer for it; manual mode keeps its active key.
    const holder = fileAccountId === null ? undefined : pool.byId.get(fileAccountId);
    const atWork = this.#atWork;
    if (atWork === null) {
      const choice = pickActive(this.#members.entries, activeIndex, options);
      return holder === undefined || choice.candidate?.accountId === fileAccountId
        ? choice
        : pickFileHolder(pool, holder, options);
    }
    if (holder !== undefined) return pickFileHolder(pool, holder, options);
    return atWork.pick(pool, session?.id ?? null, options);
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
    const { activeKey, activeIndex } = this.#options.ledger;
    if (activeKey === null) return Math.min(activeIndex, Math.max(this.#members.entries.length - 1, 0));
    // Nearly always where it was; after a change of the registry it is looked for.
    if (this.#members.entries[activeIndex]?.key.label === activeKey) return activeIndex;
    return Math.max(this.#placeOf(activeKey), 0);
  }

  #placeOf(label: string): number {
    return this.#members.entries.findIndex((entry) => entry.key.label === label);
  }

  /** The key that stands in for an active key that cannot serve becomes the active one; one that only helps out does not. */
  #noteActive(choice: Chosen<PoolEntry>, activeIndex: number): void {
    const active = this.#members.entries[activeIndex];
    if (choice.index === activeIndex && this.#options.ledger.activeKey !== null) return;
    const skip = choice.skipped.find(({ label }) => label === active?.key.label);
    if (skip !== undefined && keepsActive(skip.reason)) return;
    this.#options.ledger.setActive(choice.candidate.key.label, choice.index);
  }
}

const OF_A_KNOWN_SESSION: ReadonlySet<ChoiceReason> = new Set(['session', 'moved'] as const);

function limitWaitMs(entry: PoolEntry): number {
  return entry.limit.waitMs();
}
