import type { Config } from '../config/settings.ts';
import { type KeyHealth, quotaReturnsAt } from '../core/health.ts';
import { activeBlock, activeCooldown } from '../core/key-state.ts';
import { type Penalty, penaltyFor } from '../core/penalty.ts';
import type { Clock } from '../core/time.ts';
import { CONSEQUENCES, type VerdictClass } from '../core/verdict.ts';
import type { PoolEntry } from './pool-entry.ts';
import type { HealthPort, LedgerPort, LogPort } from './ports.ts';

export type PutAwayOptions = {
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

/** Puts away keys that failed, or all keys of an account, and finds out when they return. */
export class PutAway {
  readonly #options: PutAwayOptions;
  #health: HealthPort | null = null;

  constructor(options: PutAwayOptions) {
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
      quotaReturnsAt: entry.health?.usage == null ? null : quotaReturnsAt(entry.health.usage),
      strikes: entry.strikes,
      settings: config,
    });
    if (penalty === null) return;
    const isAccounts = CONSEQUENCES[outcome.verdict].blame === 'account';
    const strikes = entry.strikes + (outcome.verdict === 'rate' ? 1 : 0);
    const labels: string[] = [];
    for (const key of isAccounts ? entry.account.entries : [entry]) {
      if (key !== entry && !takes(key, penalty, now)) continue;
      key.putAwayAt = now;
      key.strikes = strikes;
      ledger.putAway(key.key.label, penalty);
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
      log.error('The upstream has closed this account; its key is out of the pool until a person clears it.', details);
    else log.warn(labels.length > 1 ? 'The keys of an account were put away.' : 'A key was put away.', details);
    if (outcome.verdict === 'quota') this.#findReset(entry, now);
  }

  /** A refused quota is parked by the setting first; `/usages` then says when the window really returns. */
  #findReset(entry: PoolEntry, parkedAt: number): void {
    this.#health?.refreshNow(entry.key).then(
      (health) => {
        const returnsAt = health.usage === null ? null : quotaReturnsAt(health.usage);
        if (returnsAt === null || returnsAt <= parkedAt) return;
        for (const { key, state, putAwayAt } of entry.account.entries) {
          if (state.cooldown?.reason !== 'quota' || putAwayAt !== parkedAt) continue;
          this.#options.ledger.putAway(key.label, { kind: 'cooldown', cooldown: { reason: 'quota', until: returnsAt } });
        }
      },
      () => undefined,
    );
  }

  /**
   * A health reading arrived. A long rest for quota, which only a window's stated reset gives, ends when the reading says
   * that there is quota again: an early reset or a purchase. A short one is left to pass: right after a refusal the
   * upstream's readings may still say that nothing was used (docs/kimi-api.md#contradicting-readings). A reading of any
   * key of the account will do, unless it is older than the refusal.
   */
  endEarly(entry: PoolEntry, health: KeyHealth): void {
    const { config, ledger, clock, log } = this.#options;
    const share = health.usage?.remainingShare ?? null;
    const hasQuota = health.error === null && ((share !== null && share > 0) || (health.usage?.walletCents ?? 0) > 0);
    if (!hasQuota) return;
    const longFrom = clock() + config.rotationCooldownSeconds * 1000;
    const resting = entry.account.entries.filter(
      ({ state: { cooldown }, putAwayAt }) =>
        cooldown?.reason === 'quota' && cooldown.until > longFrom && putAwayAt <= health.fetchedAt,
    );
    for (const { key } of resting) ledger.clearCooldown(key.label);
    const [first] = resting;
    if (first === undefined) return;
    const account = resting.length > 1 ? { account_keys: resting.map(({ key }) => key.label) } : {};
    log.info('A key has quota again before its window was due.', { key_label: first.key.label, ...account });
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

/** A key that is out for longer, or for a reason of its own, stays so. */
function takes({ state }: PoolEntry, penalty: Penalty, now: number): boolean {
  if (penalty.kind === 'block') return activeBlock(state, now) === null;
  const cooldown = activeCooldown(state, now);
  return cooldown === null || cooldown.reason === 'upstream' || cooldown.until <= penalty.cooldown.until;
}
