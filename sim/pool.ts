import { type AccountCandidate, groupAccounts } from '../src/core/choosing/account-pool.ts';
import { pickQuota } from '../src/core/choosing/strategies/quota.ts';
import { pickRoundRobin } from '../src/core/choosing/strategies/round-robin.ts';
import { pickSticky } from '../src/core/choosing/strategies/sticky.ts';
import type { PickOptions } from '../src/core/choosing/why-not.ts';
import { DEFAULT_WEIGHT, type Key } from '../src/core/keys/key.ts';
import { type KeyState, newKeyState } from '../src/core/keys/key-state.ts';
import type { KeyHealth } from '../src/core/quota/key-health.ts';
import { quotaReturnsAt } from '../src/core/quota/key-health.ts';
import { hashText } from '../src/core/sessions/session-hash.ts';
import { Sessions } from '../src/core/sessions/session-table.ts';
import { countedError, penaltyFor } from '../src/core/verdicts/penalty.ts';
import type { SimRequest } from './demand.ts';
import type { SimAccount } from './upstream.ts';

export type Strategy = 'round-robin' | 'sticky' | 'quota';
export const STRATEGIES: readonly Strategy[] = ['round-robin', 'sticky', 'quota'];

type SimCandidate = AccountCandidate & { readonly account: SimAccount; readonly state: KeyState; health: KeyHealth | null };

/** The defaults of the product's settings. */
const REFRESH_MS = 600_000;
const FAILOVER_MAX = 3;
const PENALTIES = { rotationCooldownSeconds: 300, paymentBlockSeconds: 3600 };

type Picked = { readonly candidate: SimCandidate; readonly binds: boolean; readonly isMove: boolean };

/** What came of one request. `attempts` were refused by the upstream before. */
export type Outcome = {
  readonly account: SimAccount;
  readonly units: number;
  readonly cachedTokens: number;
  readonly isMove: boolean;
} | null;

/** The product's choosing over simulated accounts, with a clock that is told the time. */
export class SimPool {
  readonly #candidates: readonly SimCandidate[];
  readonly #pool;
  readonly #sessions = new Sessions();
  readonly #strategy: Strategy;
  #position = 0;
  #refreshedAt = Number.NEGATIVE_INFINITY;
  /** Attempts the upstream refused. */
  upstreamRefusals = 0;

  constructor(accounts: readonly SimAccount[], strategy: Strategy) {
    this.#candidates = accounts.map((account) => ({
      account,
      key: keyOf(account.id),
      state: newKeyState(),
      health: null,
      accountId: account.id,
      inFlight: 0,
      parallelLimit: null,
    }));
    this.#pool = groupAccounts(this.#candidates);
    this.#strategy = strategy;
  }

  serve(request: SimRequest, now: number): Outcome {
    if (now >= this.#refreshedAt + REFRESH_MS) this.#refresh(now);
    const session = hashText(`session ${request.session}`);
    const tried = new Set<SimCandidate>();
    let isMove = false;
    for (let attempt = 0; attempt <= FAILOVER_MAX; attempt++) {
      const picked = this.#pick(session, now, tried);
      if (picked === null) return null;
      isMove ||= picked.isMove;
      const { candidate } = picked;
      const served = candidate.account.serve(request, now);
      if (served !== null) {
        candidate.state.errors403 = Math.max(0, candidate.state.errors403 - 1);
        candidate.state.requests += 1;
        if (picked.binds) this.#sessions.set(session, candidate.accountId, now, request.inputTokens);
        return { account: candidate.account, ...served, isMove };
      }
      tried.add(candidate);
      this.#penalize(candidate, now);
    }
    return null;
  }

  #pick(session: number, now: number, tried: ReadonlySet<SimCandidate>): Picked | null {
    const options: PickOptions<SimCandidate> = {
      now,
      requireUsage: false,
      failOpen: true,
      tried,
      limitWaitMs: () => 0,
    };
    if (this.#strategy === 'round-robin') {
      const choice = pickRoundRobin(this.#candidates, this.#position, options);
      if (choice.candidate === null) return null;
      this.#position = (choice.index + 1) % this.#candidates.length;
      const before = this.#sessions.accountOf(session);
      return { candidate: choice.candidate, binds: true, isMove: before !== null && before !== choice.candidate.accountId };
    }
    const pick = this.#strategy === 'sticky' ? pickSticky : pickQuota;
    const choice = pick(this.#pool, { session, fileAccountId: null, position: this.#position }, this.#sessions, options);
    if (choice.candidate === null) return null;
    return { candidate: choice.candidate, binds: choice.binds, isMove: choice.movedFrom !== null };
  }

  /** A quota refusal as the proxy takes it: a cooldown until the reset that `/usages` states (src/proxy/pool/key-pool.ts). */
  #penalize(candidate: SimCandidate, now: number): void {
    this.upstreamRefusals += 1;
    const usage = candidate.account.usage(now);
    candidate.health = { usage, error: null, fetchedAt: now };
    const counter = countedError('quota', 403);
    if (counter !== null) candidate.state[counter] += 1;
    candidate.state.requests += 1;
    const penalty = penaltyFor('quota', {
      now,
      retryAfterMs: null,
      quotaReturnsAt: quotaReturnsAt(candidate.health),
      rateLimitsInARow: 0,
      settings: PENALTIES,
    });
    if (penalty?.kind === 'cooldown') candidate.state.cooldown = penalty.cooldown;
  }

  #refresh(now: number): void {
    for (const candidate of this.#candidates) {
      candidate.health = { usage: candidate.account.usage(now), error: null, fetchedAt: now };
    }
    this.#refreshedAt = now;
  }
}

function keyOf(id: string): Key {
  return {
    label: id,
    value: id,
    hash: id,
    baseUrl: 'https://upstream.invalid/v1',
    priority: 0,
    weight: DEFAULT_WEIGHT,
    disabled: false,
    email: null,
    source: 'simulation',
  };
}
