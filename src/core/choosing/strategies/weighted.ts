import {
  type Account,
  type AccountCandidate,
  type AccountPool,
  type AccountSkip,
  groupAccounts,
  type Level,
  serveAt,
} from '../account-pool.ts';
import { type Choice, type Chosen, NO_SKIPS, notChosen, unbound } from '../choice.ts';
import type { StrategyAtWork } from '../strategies.ts';
import type { PickOptions } from '../why-not.ts';

const LEVELS = ['ready', 'fail_open', 'reserve'] as const;

/** Sums of binary fractions are this exact, so that equal accounts keep their order. */
const ROUNDING = 1e-9;

/**
 * Smooth weighted round-robin over accounts: with every request each account that can serve earns its part of a turn, and
 * the one that serves pays a whole one. Always the greatest credit first, as in nginx, can leave one of several light
 * accounts more than a turn behind. So of those that have earned enough, the one serves that must be next if nobody is to
 * fall a turn behind (Tijdeman's rule for the chairman assignment problem): with k accounts at work, each is within
 * 1 - 1/(2k - 2) turns of its share, counted from the first request.
 *
 * One that is passed over earns nothing meanwhile: it does not come back with a claim on all it has missed. Credits are in
 * turns and not in weights, so that what is left of them means the same whoever else is there.
 */
class Weighted implements StrategyAtWork {
  #pool: AccountPool<AccountCandidate> = groupAccounts([]);
  /** By account of the pool: turns earned less turns served. */
  #credits = new Float64Array();
  /** By account of the pool, when a key was last picked: the place of the key that could serve, else -1. */
  #places = new Int32Array();
  /** How many of them could serve, and what they weigh together. */
  #ready = 0;
  #weight = 0;

  pick<C extends AccountCandidate>(pool: AccountPool<C>, _session: number | null, options: PickOptions<C>): Choice<C> {
    if (this.#pool !== pool) this.#follow(pool);
    let skipped = NO_SKIPS;
    for (const level of LEVELS) {
      if (level === 'fail_open' && !options.failOpen) continue;
      const skips = this.#findReady(pool, level, options);
      if (level === 'ready') skipped = skips;
      if (this.#ready === 0) continue;
      const place = this.#places[this.#nextOfReady()] as number;
      return unbound(pool.candidates[place] as C, place, level === 'ready' ? 'weighted' : level, skipped);
    }
    return notChosen(skipped);
  }

  taken<C extends AccountCandidate>({ candidate, binds }: Chosen<C>): void {
    const served = this.#pool.byId.get(candidate.accountId)?.turn ?? -1;
    // One that had to serve, for a file or as the only key, has taken nobody's turn.
    if (binds || (this.#places[served] ?? -1) === -1) return;
    for (const { turn, weight } of this.#pool.accounts) {
      if (this.#places[turn] !== -1) this.#credits[turn] = this.#creditOf(turn) + weight / this.#weight;
    }
    this.#credits[served] = this.#creditOf(served) - 1;
  }

  #creditOf(turn: number): number {
    return this.#credits[turn] ?? 0;
  }

  #findReady<C extends AccountCandidate>(pool: AccountPool<C>, level: Level, options: PickOptions<C>): readonly AccountSkip[] {
    let skipped: AccountSkip[] | null = null;
    this.#ready = 0;
    this.#weight = 0;
    for (const account of pool.accounts) {
      const place = serveAt(pool, account, level, options);
      const isReady = typeof place === 'number';
      this.#places[account.turn] = isReady ? place : -1;
      if (isReady) {
        this.#ready += 1;
        this.#weight += account.weight;
        continue;
      }
      skipped ??= [];
      skipped.push(place);
    }
    return skipped ?? NO_SKIPS;
  }

  #nextOfReady(): number {
    const enough = this.#ready === 1 ? 0 : 1 / (2 * this.#ready - 2);
    let next = -1;
    let nearest = Number.POSITIVE_INFINITY;
    let richest = -1;
    let most = Number.NEGATIVE_INFINITY;
    for (const { turn, weight } of this.#pool.accounts) {
      if (this.#places[turn] === -1) continue;
      const share = weight / this.#weight;
      const credit = this.#creditOf(turn) + share;
      if (credit > most + ROUNDING) {
        most = credit;
        richest = turn;
      }
      // Requests until its credit is the most there may be.
      const deadline = (1 - enough - credit) / share;
      if (credit < enough - ROUNDING || deadline >= nearest - ROUNDING) continue;
      nearest = deadline;
      next = turn;
    }
    // Nobody has earned enough where those that others owe a turn are away.
    return next === -1 ? richest : next;
  }

  /** Keys or accounts have changed. What an account has earned stays its own, also when it is only known by another name now. */
  #follow<C extends AccountCandidate>(pool: AccountPool<C>): void {
    const before = this.#pool;
    /** By label: the account a key was of, where that is gone. */
    const formerly = new Map<string, Account>();
    for (const account of before.accounts) {
      if (pool.byId.has(account.id)) continue;
      for (const place of account.places) formerly.set(labelAt(before, place), account);
    }
    const credits = pool.accounts.map(({ id, places }) => {
      const former = new Set(places.flatMap((place) => formerly.get(labelAt(pool, place)) ?? []));
      const known = before.byId.get(id);
      return [...former, ...(known ? [known] : [])].reduce((sum, { turn }) => sum + this.#creditOf(turn), 0);
    });
    this.#pool = pool;
    this.#credits = Float64Array.from(credits);
    this.#places = new Int32Array(pool.accounts.length).fill(-1);
  }
}

function labelAt({ candidates }: AccountPool<AccountCandidate>, place: number): string {
  return candidates[place]?.key.label ?? '';
}

export function weighted(): StrategyAtWork {
  return new Weighted();
}
