import type { SessionTable } from '../../sessions/session-table.ts';
import { type Account, type AccountCandidate, type AccountPool, type AccountSkip, type Level, serveAt } from '../account-pool.ts';
import { type Choice, type ChoiceReason, type Chosen, NO_SKIPS, notChosen } from '../choice.ts';
import { keepsSession } from '../passing.ts';
import { rendezvousWeight } from '../rendezvous.ts';
import type { StrategyAtWork, TurnMemory } from '../strategies.ts';
import type { PickOptions } from '../why-not.ts';

export type AffinityRequest = {
  readonly session: number | null;
  /** Whose turn it is among the accounts when the request has no session. */
  readonly position: number;
};

/** Higher is better; among equals the session's rendezvous decides. */
export type Preference = (account: Account) => number;

export const EQUAL: Preference = () => 0;

export type SessionRules = {
  readonly sessions: SessionTable;
  /** What an account must be able to for its session to stay. */
  readonly staysAt: 'free' | 'ready';
  /** Asked once where a session is placed or moved. */
  readonly preference: () => Preference;
};

type Pick = <C extends AccountCandidate>(
  pool: AccountPool<C>,
  request: AffinityRequest,
  sessions: SessionTable,
  options: PickOptions<C>,
) => Choice<C>;

/** A strategy that keeps sessions. Accounts take turns for requests without one. */
export function bySession(pick: Pick, memory: TurnMemory): StrategyAtWork {
  return {
    pick: (pool, session, options) => pick(pool, { session, position: memory.dealPosition }, memory.sessions, options),
    taken({ candidate }, { accounts, byId }, session) {
      if (session === null) memory.dealPosition = ((byId.get(candidate.accountId)?.turn ?? 0) + 1) % accounts.length;
    },
  };
}

const LEVELS: readonly Level[] = ['free', 'ready', 'fail_open', 'reserve'];

export function pickBySession<C extends AccountCandidate>(
  pool: AccountPool<C>,
  request: AffinityRequest,
  options: PickOptions<C>,
  { sessions, staysAt, preference }: SessionRules,
): Choice<C> {
  const homeId = request.session === null ? null : sessions.accountOf(request.session);
  const home = homeId === null ? undefined : pool.byId.get(homeId);
  let homeSkip: AccountSkip | null = null;
  let prefer: Preference | null = null;
  if (home !== undefined) {
    const place = serveAt(pool, home, staysAt, options);
    if (typeof place === 'number') return stays(pool, place, 'session', NO_SKIPS);
    homeSkip = place;
  }
  let skipped = NO_SKIPS;
  for (const level of LEVELS) {
    if (level === 'fail_open' && !options.failOpen) continue;
    if (home !== undefined && level !== 'free') {
      const place = serveAt(pool, home, level, options);
      if (typeof place === 'number') return stays(pool, place, reasonAt(level, 'session'), skipped);
    }
    prefer ??= request.session === null ? EQUAL : preference();
    const walk = best(pool, request, level, prefer, options);
    if (level === 'ready') skipped = walk.skipped;
    if (walk.place === -1) continue;
    const binds = request.session !== null && (homeSkip === null || !keepsSession(homeSkip.reason));
    const away = binds ? 'moved' : 'helped_out';
    const usual = request.session === null ? 'dealt' : homeId === null ? 'placed' : away;
    const skips = homeSkip === null || skipped.length > 0 ? skipped : [homeSkip];
    return chosen(pool, walk.place, reasonAt(level, usual), skips, binds);
  }
  return notChosen(skipped);
}

function stays<C extends AccountCandidate>(
  pool: AccountPool<C>,
  index: number,
  why: ChoiceReason,
  skipped: readonly AccountSkip[],
) {
  return chosen(pool, index, why, skipped, true);
}

function chosen<C extends AccountCandidate>(
  { candidates }: AccountPool<C>,
  index: number,
  why: ChoiceReason,
  skipped: readonly AccountSkip[],
  binds: boolean,
): Chosen<C> {
  return { candidate: candidates[index] as C, index, why, skipped, binds };
}

function reasonAt(level: Level, usual: ChoiceReason): ChoiceReason {
  return level === 'fail_open' || level === 'reserve' ? level : usual;
}

type Walk = { readonly place: number; readonly skipped: readonly AccountSkip[] };

function best<C extends AccountCandidate>(
  pool: AccountPool<C>,
  { session, position }: AffinityRequest,
  level: Level,
  prefer: Preference,
  options: PickOptions<C>,
): Walk {
  const { accounts } = pool;
  const skipped: AccountSkip[] = [];
  let found = -1;
  let foundScore = Number.NEGATIVE_INFINITY;
  let foundWeight = -1;
  for (let step = 0; step < accounts.length; step++) {
    const account = accounts[(position + step) % accounts.length] as Account;
    const place = serveAt(pool, account, level, options);
    if (typeof place !== 'number') {
      skipped.push(place);
      continue;
    }
    if (session === null) return { place, skipped };
    const score = prefer(account);
    const weight = rendezvousWeight(session, account.hash);
    if (score > foundScore || (score === foundScore && weight > foundWeight)) {
      found = place;
      foundScore = score;
      foundWeight = weight;
    }
  }
  return { place: found, skipped };
}
