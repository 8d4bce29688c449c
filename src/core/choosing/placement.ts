import type { KeyHealth } from '../quota/key-health.ts';
import type { QuotaWindow } from '../quota/quota.ts';
import type { SessionTable } from '../sessions/session-table.ts';
import type { Account, AccountCandidate, AccountPool } from './account-pool.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MONTH_MS = 30 * DAY_MS;
/** Windows up to this long limit the pace of spending; longer ones hold the quota that expires. */
const PACE_MAX_MS = DAY_MS;
/**
 * A window that has not begun may be stated with no reset, or with the one it would have if it began now, as the simulator
 * does; which of them the upstream does is not known.
 */
const UNBEGUN_SLACK_MS = 60_000;
/** Pace quotas in a day of a budget window's quota, where the limits are mere percents. An assumption: no source states it. */
const PACES_A_DAY = 1;
/** What an active session may still be expected to spend of a pace window, before the pool's own figures are good. */
const LEAST_SESSION_SHARE = 0.01;
const MOST_SESSION_SHARE = 0.25;
/** A deadline nearer than this is not more urgent than this. */
const NEAREST_MS = 30 * 60_000;

/** A window at a moment: one whose reset has passed is full again, and begins with its next charge. */
type LiveWindow = {
  readonly share: number;
  /** ms until the reset; the whole length for a window that has not begun. */
  readonly leftMs: number;
  readonly durationMs: number;
  readonly hasBegun: boolean;
  /** In the account's unit; null when not stated. */
  readonly limit: number | null;
};

/** `pace`: the tightest of the short windows, null where none is stated; `budgets`: the weekly and the monthly window. */
type LiveWindows = { readonly pace: LiveWindow | null; readonly budgets: readonly LiveWindow[] };

function liveWindows(health: KeyHealth | null, now: number): LiveWindows {
  let pace: LiveWindow | null = null;
  const budgets: LiveWindow[] = [];
  for (const window of health?.usage?.windows ?? []) {
    const live = liveWindow(window, health?.fetchedAt ?? now, now);
    if (live === null) continue;
    if (live.durationMs > PACE_MAX_MS) budgets.push(live);
    else if (pace === null || live.share < pace.share) pace = live;
  }
  return { pace, budgets };
}

function liveWindow(
  { remainingShare, resetsAt, durationMs: stated, limit }: QuotaWindow,
  readAt: number,
  now: number,
): LiveWindow | null {
  if (remainingShare === null) return null;
  const durationMs = stated ?? MONTH_MS;
  if (resetsAt !== null && resetsAt <= now) return { share: 1, leftMs: durationMs, durationMs, hasBegun: false, limit };
  const isUnbegun = remainingShare === 1 && (resetsAt === null || resetsAt - readAt >= durationMs - UNBEGUN_SLACK_MS);
  const leftMs = resetsAt === null || isUnbegun ? durationMs : resetsAt - now;
  return { share: remainingShare, leftMs, durationMs, hasBegun: !isUnbegun, limit };
}

/**
 * How much a session that has to be placed should go to each account, to be called once per placement. From high to low:
 *
 * 1. Accounts whose long window has not begun and that have no session: a first request starts its clock, and a clock
 *    that does not run brings no reset nearer.
 * 2. Accounts with room for one more session in every window, by what would expire: the quota that can really be spent
 *    before the long window's reset (no more than the 5-hour windows until then let through), per day left, per session
 *    already at work there. So the earliest reset with headroom comes first, an account whose week is nearly spent is
 *    spared however soon its 5 hours end, and no account is left out for long: its quota per day left only grows.
 * 3. Accounts without that room, the roomiest first: a session there would soon have to move and lose its cache.
 *
 * Earliest reset alone, tried in the simulation, served less than `sticky`: it crowds the sessions onto one account, whose 5
 * hours then end under them. An account that states no windows counts as one with everything left.
 */
export function preferenceFor<C extends AccountCandidate>(
  { accounts, candidates }: AccountPool<C>,
  sessions: SessionTable,
  now: number,
): (account: Account) => number {
  const states = accounts.map(({ id, places }) => ({
    ...liveWindows((candidates[places[0] as number] as C).health, now),
    active: sessions.activeOn(id, now),
  }));
  let used = 0;
  let active = 0;
  for (const state of states) {
    used += 1 - (state.pace?.share ?? 1);
    active += state.active;
  }
  const sessionShare = Math.min(MOST_SESSION_SHARE, Math.max(LEAST_SESSION_SHARE, used / Math.max(active, 1)));
  return ({ turn }) => scoreOf(states[turn] as AccountState, sessionShare);
}

type AccountState = LiveWindows & { readonly active: number };

const CLOCK_FIRST = 1e6;
const NO_ROOM = -1e6;

/** All quantities are in quotas of the pace window. */
function scoreOf({ pace, budgets, active }: AccountState, sessionShare: number): number {
  const bound = active * sessionShare;
  const paceLeft = (pace?.share ?? 1) - bound;
  let budgetLeft = Number.POSITIVE_INFINITY;
  for (const budget of budgets) budgetLeft = Math.min(budgetLeft, budget.share * pacesIn(budget, pace) - bound);
  const room = Math.min(paceLeft, budgetLeft);
  if (room < sessionShare) return NO_ROOM + room;
  if (active === 0 && budgets.some(({ hasBegun }) => !hasBegun)) return CLOCK_FIRST;
  const paceMs = pace?.durationMs ?? 5 * HOUR_MS;
  let urgency = 0;
  for (const { leftMs } of budgets.length === 0 ? [WEEK_OF_NOBODY] : budgets) {
    const untilMs = Math.max(NEAREST_MS, leftMs);
    const later = Math.max(0, untilMs - (pace?.leftMs ?? paceMs)) / paceMs;
    urgency = Math.max(urgency, Math.min(budgetLeft, paceLeft + later) / (untilMs / DAY_MS));
  }
  return urgency / (1 + active);
}

const WEEK_OF_NOBODY = { leftMs: 7 * DAY_MS };

function pacesIn(budget: LiveWindow, pace: LiveWindow | null): number {
  if (budget.limit !== null && pace?.limit != null && budget.limit > pace.limit) return budget.limit / pace.limit;
  return (budget.durationMs / DAY_MS) * PACES_A_DAY;
}
