import type { Config } from '../../config/settings.ts';
import type { Key } from '../../core/keys/key.ts';
import { activeBlock, activeCooldown, type Cooldown } from '../../core/keys/key-state.ts';
import { hasQuota, type KeyHealth, quotaReturnsAt } from '../../core/quota/key-health.ts';
import type { Clock } from '../../core/text/time.ts';
import { type Penalty, penaltyFor } from '../../core/verdicts/penalty.ts';
import { CONSEQUENCES, type VerdictClass } from '../../core/verdicts/verdict.ts';
import type { HealthPort, LedgerPort, LogPort } from '../ports.ts';
import type { PoolEntry } from './pool-entry.ts';

export type CooldownOptions = {
  readonly config: Config;
  readonly ledger: LedgerPort;
  readonly log: LogPort;
  readonly clock: Clock;
};

/** The outcome of one attempt, as far as it concerns the key. */
export type AttemptOutcome = {
  readonly verdict: VerdictClass;
  /** Null when no answer came. */
  readonly status: number | null;
  readonly retryAfterMs: number | null;
  /** Length of the quota window that a refusal names; null when it names none. */
  readonly windowMs: number | null;
  /** False when the answer says no more than its status. */
  readonly namesReason: boolean;
  /** Epoch ms. */
  readonly startedAt: number;
  /** No connection came about, so the upstream never saw the key. */
  readonly isUnsent: boolean;
};

/** A key that was asked in vain, and another instead of it. */
export type FailedAttempt = { readonly entry: PoolEntry; readonly outcome: AttemptOutcome };

/** Puts keys that failed, or all keys of an account, on cooldown or blocks them, and finds out when they return. */
export class Cooldowns {
  readonly #options: CooldownOptions;
  /** Told whenever a key is put on cooldown or blocked. */
  readonly listeners = new Set<() => void>();
  #health: HealthPort | null = null;

  constructor(options: CooldownOptions) {
    this.#options = options;
  }

  useHealth(health: HealthPort): void {
    this.#health = health;
  }

  /** What the verdict asks for: nothing, the key, or every key of its account. */
  apply(entry: PoolEntry, outcome: AttemptOutcome): void {
    const { config, ledger, clock, log } = this.#options;
    const now = clock();
    const penalty = penaltyFor(outcome.verdict, {
      now,
      retryAfterMs: outcome.retryAfterMs,
      windowMs: outcome.windowMs,
      quotaReturnsAt: entry.health === null ? null : quotaReturnsAt(entry.health),
      rateLimitsInARow: entry.rateLimitsInARow,
      settings: config,
    });
    if (penalty === null) return;
    const isAccounts = CONSEQUENCES[outcome.verdict].blame === 'account';
    const rateLimitsInARow = entry.rateLimitsInARow + (outcome.verdict === 'rate' ? 1 : 0);
    const labels: string[] = [];
    for (const key of isAccounts ? entry.account.entries : [entry]) {
      if (key !== entry && !takes(key, penalty, now)) continue;
      key.penalizedAt = now;
      key.rateLimitsInARow = rateLimitsInARow;
      ledger.penalize(key.key.label, penalty, now);
      labels.push(key.key.label);
    }
    const until = penalty.kind === 'block' ? penalty.block.until : penalty.cooldown.until;
    const details = {
      key_label: entry.key.label,
      ...(labels.length > 1 ? { account_keys: labels } : {}),
      verdict: outcome.verdict,
      status: outcome.status,
      until: until === null ? null : new Date(until).toISOString(),
    };
    if (outcome.verdict === 'banned')
      log.error('The upstream has closed this account; its keys are blocked until a person unblocks them.', details);
    else log.warn(`${labels.length > 1 ? 'The keys of an account are' : 'A key is'} ${PENALTY_WORDS[penalty.kind]}.`, details);
    if (outcome.verdict === 'quota') this.#findReset(entry, now);
    for (const listener of this.listeners) listener();
  }

  /** After a refusal for quota the cooldown lasts as the setting says at first; `/usages` then says when the window returns. */
  #findReset(entry: PoolEntry, refusedAt: number): void {
    this.#health?.refreshNow(entry.key).then(
      (health) => {
        const returnsAt = quotaReturnsAt(health);
        if (returnsAt === null || returnsAt <= refusedAt) return;
        for (const { key, state, penalizedAt } of entry.account.entries) {
          if (state.cooldown?.reason === 'quota' && penalizedAt === refusedAt)
            this.#cooldownUntil(key, { until: returnsAt }, refusedAt);
        }
      },
      () => undefined,
    );
  }

  #cooldownUntil({ label }: Key, cooldown: Omit<Cooldown, 'reason'>, since: number): void {
    this.#options.ledger.penalize(label, { kind: 'cooldown', cooldown: { reason: 'quota', ...cooldown } }, since);
  }

  /**
   * A health reading arrived that says "quota left" of an account that was refused for its quota. After a reading that said
   * when its empty windows return this is news: an early reset or a purchase, which ends the cooldown. After none it contradicts
   * the refusal, and the fresh refusal is right: no reading ends this cooldown then, or the key would come and go with each. A
   * reading of any key of the account will do, unless it was asked for before the refusal.
   */
  endEarly(entry: PoolEntry, health: KeyHealth): void {
    const { ledger, log } = this.#options;
    if (health.error !== null || !hasQuota(health.usage)) return;
    const returned: string[] = [];
    for (const { key, state, penalizedAt } of entry.account.entries) {
      const { cooldown } = state;
      if (cooldown?.reason !== 'quota' || (health.askedAt ?? health.fetchedAt) < penalizedAt) continue;
      if (cooldown.end === 'guessed') this.#cooldownUntil(key, { ...cooldown, end: 'doubted' }, penalizedAt);
      if (cooldown.end !== undefined) continue;
      ledger.clearCooldown(key.label);
      returned.push(key.label);
    }
    if (returned.length === 0) return;
    const account = returned.length > 1 ? { account_keys: returned } : {};
    log.info('A key has quota again before its window was due.', { key_label: returned[0], ...account });
  }

  /** A blocked key answered again. What blocked its account is over for the account's other keys too. */
  answeredAgain(entry: PoolEntry): void {
    const reason = entry.state.block?.reason ?? 'auth';
    this.#options.ledger.clearBlock(entry.key.label);
    if (reason !== 'payment_required') return;
    for (const { key, state } of entry.account.entries) {
      if (state.block?.reason === reason) this.#options.ledger.clearBlock(key.label);
    }
  }
}

const PENALTY_WORDS: Readonly<Record<Penalty['kind'], string>> = { cooldown: 'on cooldown', block: 'blocked' };

/** A key that is out for longer, or for a reason of its own, stays so. */
function takes({ state }: PoolEntry, penalty: Penalty, now: number): boolean {
  if (penalty.kind === 'block') return activeBlock(state, now) === null;
  const cooldown = activeCooldown(state, now);
  return cooldown === null || cooldown.reason === 'upstream' || cooldown.until <= penalty.cooldown.until;
}
