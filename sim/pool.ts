import { type AccountCandidate, groupAccounts } from '../src/core/choosing/account-pool.ts';
import { type StrategyAtWork, startStrategies } from '../src/core/choosing/strategies.ts';
import type { Strategy as ProductStrategy } from '../src/core/choosing/strategy.ts';
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

/** Those of the product that are compared: equal accounts get from `weighted` what they get from `round-robin`. */
export const STRATEGIES = ['round-robin', 'sticky', 'quota'] as const satisfies readonly ProductStrategy[];

export type Strategy = (typeof STRATEGIES)[number];

type SimCandidate = AccountCandidate & { readonly account: SimAccount; readonly state: KeyState; health: KeyHealth | null };

/** The defaults of the product's settings. */
const REFRESH_MS = 600_000;
const FAILOVER_MAX = 3;
const PENALTIES = { rotationCooldownSeconds: 300, paymentBlockSeconds: 3600 };

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
  readonly #strategy: StrategyAtWork;
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
    this.#strategy = startStrategies({ rotationIndex: 0, dealPosition: 0, sessions: this.#sessions })[strategy];
  }

  serve(request: SimRequest, now: number): Outcome {
    if (now >= this.#refreshedAt + REFRESH_MS) this.#refresh(now);
    const session = hashText(`session ${request.session}`);
    const tried = new Set<SimCandidate>();
    const home = this.#sessions.accountOf(session);
    for (let attempt = 0; attempt <= FAILOVER_MAX; attempt++) {
      const candidate = this.#pick(session, now, tried);
      if (candidate === null) return null;
      const served = candidate.account.serve(request, now);
      if (served !== null) {
        candidate.state.errors403 = Math.max(0, candidate.state.errors403 - 1);
        candidate.state.requests += 1;
        // No account is ever busy here, so each is the session's from then on.
        this.#sessions.set(session, candidate.accountId, now, request.inputTokens);
        return { account: candidate.account, ...served, isMove: home !== null && home !== candidate.accountId };
      }
      tried.add(candidate);
      this.#penalize(candidate, now);
    }
    return null;
  }

  #pick(session: number, now: number, tried: ReadonlySet<SimCandidate>): SimCandidate | null {
    const options: PickOptions<SimCandidate> = { now, requireUsage: false, failOpen: true, tried, limitWaitMs: () => 0 };
    const choice = this.#strategy.pick(this.#pool, session, options);
    if (choice.candidate === null) return null;
    this.#strategy.taken(choice, this.#pool, session);
    return choice.candidate;
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
