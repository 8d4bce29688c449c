import type { SessionTable } from '../sessions/session-table.ts';
import { type Account, type AccountCandidate, type AccountPool, type AccountSkip, type Level, serveAt } from './account-pool.ts';
import { preferenceFor } from './placement.ts';
import { rendezvousWeight } from './rendezvous.ts';
import type { PickOptions } from './rotation.ts';

/**
 * `session`: with the account it was with; `placed`: a session not seen before; `moved`: its account cannot serve;
 * `helped_out`: its account is busy for a moment and keeps the session; `file`: the account holds a file the request names;
 * `dealt`: the request has no session; the others as in round-robin.
 */
export type AffinityReason = 'session' | 'placed' | 'moved' | 'helped_out' | 'file' | 'dealt' | 'fail_open' | 'reserve';

export type AffinityChoice<C extends AccountCandidate> =
  | {
      readonly candidate: C;
      readonly index: number;
      readonly why: AffinityReason;
      readonly skipped: readonly AccountSkip[];
      /** The account the session was with, when the choice is another one. */
      readonly movedFrom: string | null;
      /** Whether the session is with the chosen account from now on; not when its own is only busy for a moment. */
      readonly binds: boolean;
      /** What `position` is for the next request without a session. */
      readonly nextPosition: number;
    }
  | {
      readonly candidate: null;
      readonly skipped: readonly AccountSkip[];
      /** Epoch ms of the earliest known return. */
      readonly returnsAt: number | null;
    };

export type AffinityRequest = {
  readonly session: number | null;
  /** The account that holds a file the request names: no other can answer it. */
  readonly fileAccountId: string | null;
  /** Whose turn it is among the accounts when the request has no session. */
  readonly position: number;
};

/** Higher is better; among equals the session's rendezvous decides. */
export type Preference = (account: Account) => number;

/**
 * A session stays with its account while that can serve, on its wallet too. One that is not known goes to its first
 * account by rendezvous hashing among those with plan quota left, so two proxies agree without talking. Requests without
 * a session are dealt in turn. Statuses (`warn`) keep nobody from serving: they would strand the last of the quota.
 */
export function pickSticky<C extends AccountCandidate>(
  pool: AccountPool<C>,
  request: AffinityRequest,
  sessions: SessionTable,
  options: PickOptions<C>,
): AffinityChoice<C> {
  return pick(pool, request, sessions, options, 'ready', () => EQUAL);
}

/**
 * As `sticky`, but a session that is placed or moved goes where quota would otherwise expire (`preferenceFor`), and no
 * session stays on a wallet while an account with plan quota can serve.
 */
export function pickQuota<C extends AccountCandidate>(
  pool: AccountPool<C>,
  request: AffinityRequest,
  sessions: SessionTable,
  options: PickOptions<C>,
): AffinityChoice<C> {
  return pick(pool, request, sessions, options, 'free', () => preferenceFor(pool, sessions, options.now));
}

const EQUAL: Preference = () => 0;
const LEVELS: readonly Level[] = ['free', 'ready', 'fail_open', 'reserve'];
const NO_SKIPS: readonly AccountSkip[] = Object.freeze([]);

function pick<C extends AccountCandidate>(
  pool: AccountPool<C>,
  request: AffinityRequest,
  sessions: SessionTable,
  options: PickOptions<C>,
  staysAt: 'free' | 'ready',
  preference: () => Preference,
): AffinityChoice<C> {
  const fileAccount = request.fileAccountId === null ? undefined : pool.byId.get(request.fileAccountId);
  if (fileAccount !== undefined) return pickFile(pool, fileAccount, request, options);
  const homeId = request.session === null ? null : sessions.accountOf(request.session);
  const home = homeId === null ? undefined : pool.byId.get(homeId);
  let homeSkip: AccountSkip | null = null;
  let prefer: Preference | null = null;
  if (home !== undefined) {
    const place = serveAt(pool, home, staysAt, options);
    if (typeof place === 'number') return chosen(pool, place, 'session', request, NO_SKIPS, null, true);
    homeSkip = place;
  }
  let skipped: readonly AccountSkip[] = NO_SKIPS;
  for (const level of LEVELS) {
    if (level === 'fail_open' && !options.failOpen) continue;
    if (home !== undefined && level !== 'free') {
      const place = serveAt(pool, home, level, options);
      if (typeof place === 'number') return chosen(pool, place, reasonAt(level, 'session'), request, skipped, null, true);
    }
    prefer ??= request.session === null ? EQUAL : preference();
    const walk = best(pool, request, level, prefer, options);
    if (level === 'ready') skipped = walk.skipped;
    if (walk.place === -1) continue;
    const binds = request.session !== null && (homeSkip === null || !MOMENTARY.has(homeSkip.reason));
    const away = binds ? 'moved' : 'helped_out';
    const usual = request.session === null ? 'dealt' : homeId === null ? 'placed' : away;
    const skips = homeSkip === null || skipped.length > 0 ? skipped : [homeSkip];
    return chosen(pool, walk.place, reasonAt(level, usual), request, skips, homeId, binds);
  }
  return { candidate: null, skipped, returnsAt: earliest(skipped) };
}

/** What passes by itself within moments: not worth a move. */
const MOMENTARY: ReadonlySet<AccountSkip['reason']> = new Set(['busy', 'probing', 'key_rate_limit', 'no_usage'] as const);

function reasonAt(level: Level, usual: AffinityReason): AffinityReason {
  return level === 'fail_open' || level === 'reserve' ? level : usual;
}

function pickFile<C extends AccountCandidate>(
  pool: AccountPool<C>,
  account: Account,
  request: AffinityRequest,
  options: PickOptions<C>,
): AffinityChoice<C> {
  const place = serveAt(pool, account, options.failOpen ? 'fail_open' : 'ready', options);
  if (typeof place === 'number') return chosen(pool, place, 'file', request, NO_SKIPS, null, true);
  const last = serveAt(pool, account, 'reserve', options);
  if (typeof last === 'number') return chosen(pool, last, 'reserve', request, [place], null, true);
  return { candidate: null, skipped: [place], returnsAt: place.until };
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

function chosen<C extends AccountCandidate>(
  pool: AccountPool<C>,
  index: number,
  why: AffinityReason,
  { position, session }: AffinityRequest,
  skipped: readonly AccountSkip[],
  homeId: string | null,
  binds: boolean,
): AffinityChoice<C> {
  const candidate = pool.candidates[index] as C;
  const movedFrom = homeId === candidate.accountId ? null : homeId;
  const turn = pool.byId.get(candidate.accountId)?.turn ?? 0;
  const nextPosition = session === null ? (turn + 1) % pool.accounts.length : position;
  return { candidate, index, why, skipped, movedFrom, binds, nextPosition };
}

function earliest(skipped: readonly AccountSkip[]): number | null {
  let earliestAt: number | null = null;
  for (const { until } of skipped) if (until !== null && (earliestAt === null || until < earliestAt)) earliestAt = until;
  return earliestAt;
}
