import { countedError } from '../../core/verdicts/penalty.ts';
import { blameFor } from '../../core/verdicts/verdict.ts';
import type { AttemptOutcome, CooldownOptions, Cooldowns, FailedAttempt } from './cooldowns.ts';
import type { PoolEntry } from './pool-entry.ts';

/** Answers of an upstream that has nothing against the key. */
const ACCEPTED: ReadonlySet<AttemptOutcome['verdict']> = new Set(['caller', 'agents-only', 'no-model'] as const);

/** Whom the failed attempts of a request are held against, and when. */
export class Blame {
  readonly #options: CooldownOptions;
  readonly #cooldowns: Cooldowns;

  constructor(options: CooldownOptions, cooldowns: Cooldowns) {
    this.#options = options;
    this.#cooldowns = cooldowns;
  }

  /**
   * An attempt failed. It is counted, and the key put on cooldown or blocked when the verdict blames it; a burst counts once. Returns whether this
   * ended a key's cooldown, so that waiting requests can be woken.
   */
  failed(entry: PoolEntry, outcome: AttemptOutcome, hasOthers: boolean): boolean {
    const { ledger, clock } = this.#options;
    const sameBurst = isOfBurst(entry, outcome);
    const blame = blameFor(outcome);
    const waits = blame === 'if-others-work' && (hasOthers || !outcome.namesReason);
    const counter = sameBurst || waits || outcome.isUnsent ? null : countedError(outcome.verdict, outcome.status);
    if (counter === null) ledger.answered(entry.key.label, clock());
    else ledger.failed(entry.key.label, clock(), counter);
    if (!sameBurst && (blame === 'key' || blame === 'account')) this.#cooldowns.apply(entry, outcome);
    return entry.state.cooldown !== null && ACCEPTED.has(outcome.verdict) && this.endCooldown(entry);
  }

  /** Another key serves the request that these failed: now it is known to be their fault. */
  othersServed(server: PoolEntry, failed: readonly FailedAttempt[]): void {
    for (const { entry, outcome } of failed) {
      if (blameFor(outcome) !== 'if-others-work' || entry === server || isOfBurst(entry, outcome)) continue;
      if (outcome.isUnsent && haveOneOrigin(entry, server)) continue;
      const counter = countedError(outcome.verdict, outcome.status);
      if (counter !== null) this.#options.ledger.blamed(entry.key.label, counter, this.#options.clock());
      this.#cooldowns.apply(entry, outcome);
    }
  }

  /**
   * The upstream has taken the key. If its cooldown is over, so it is for the keys that had it together: none of them has to be
   * tried first any more. Whether there were any.
   */
  endCooldown(entry: PoolEntry): boolean {
    const { ledger, clock } = this.#options;
    const now = clock();
    let found = false;
    entry.account.probedAt = null;
    for (const { key, state } of entry.account.entries) {
      if (state.cooldown === null || state.cooldown.until > now) continue;
      ledger.clearCooldown(key.label);
      found = true;
    }
    return found;
  }
}

/** Where the one got through the other could have: that it did not was the way, and no fault of its key. */
function haveOneOrigin({ key: one }: PoolEntry, { key: other }: PoolEntry): boolean {
  return new URL(one.baseUrl).origin === new URL(other.baseUrl).origin;
}

/** The attempt began before the key was last put on cooldown or blocked, so its failure is not news. */
function isOfBurst(entry: PoolEntry, outcome: AttemptOutcome): boolean {
  return outcome.startedAt <= entry.penalizedAt;
}
