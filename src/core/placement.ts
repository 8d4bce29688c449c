import type { Account, AccountCandidate, AccountPool } from './account-pool.ts';
import type { QuotaWindow } from './quota.ts';
import type { SessionTable } from './session-table.ts';

const DAY_MS = 86_400_000;
/** Windows up to this long limit the pace of spending; longer ones hold the quota that is to be spent. */
const PACE_MAX_MS = DAY_MS;
const MONTH_MS = 30 * DAY_MS;

/** A window as it stands now: one whose reset has passed is full, and begins with its next charge. */
export type LiveWindow = { readonly share: number; readonly leftMs: number | null; readonly durationMs: number };

export type Windows = { readonly pace: LiveWindow | null; readonly budget: LiveWindow | null };

/** How an account's windows stand; of several windows of one kind the one with the least left counts. */
export function liveWindows(windows: readonly QuotaWindow[], now: number): Windows {
  let pace: LiveWindow | null = null;
  let budget: LiveWindow | null = null;
  for (const window of windows) {
    const live = liveWindow(window, now);
    if (live === null) continue;
    if (live.durationMs <= PACE_MAX_MS) pace = pace === null || live.share < pace.share ? live : pace;
    else budget = budget === null || live.share < budget.share ? live : budget;
  }
  return { pace, budget };
}

function liveWindow({ remainingShare, resetsAt, durationMs }: QuotaWindow, now: number): LiveWindow | null {
  if (remainingShare === null) return null;
  const length = durationMs ?? MONTH_MS;
  const isRunning = resetsAt !== null && resetsAt > now;
  if (resetsAt !== null && !isRunning) return { share: 1, leftMs: null, durationMs: length };
  return { share: remainingShare, leftMs: isRunning ? resetsAt - now : null, durationMs: length };
}
export const tune = {
  mode: process.env.PMODE ?? 'edf',
  clock: process.env.PCLOCK !== '0',
  head: process.env.PHEAD !== '0',
  ratio: Number(process.env.PRATIO ?? 1 / 7),
};
export function preferenceFor<C extends AccountCandidate>(
  pool: AccountPool<C>,
  sessions: SessionTable,
  now: number,
): (account: Account) => number {
  const live = new Map<string, Windows>();
  let used = 0;
  let active = 0;
  for (const a of pool.accounts) {
    const c = pool.candidates[a.places[0] as number] as C;
    const w = liveWindows(c.health?.usage?.windows ?? [], now);
    live.set(a.id, w);
    used += 1 - (w.pace?.share ?? 1);
    active += sessions.activeOn(a.id, now);
  }
  const alpha = Math.min(0.25, Math.max(0.01, used / Math.max(1, active)));
  return (a) => {
    const { pace, budget } = live.get(a.id) as Windows;
    const act = sessions.activeOn(a.id, now);
    const paceLeft = (pace?.share ?? 1) - alpha * act;
    const budgetLeft = (budget?.share ?? 1) - alpha * act * tune.ratio;
    let score = 0;
    if (tune.head && (paceLeft < alpha || budgetLeft < alpha * tune.ratio)) score -= 1000;
    if (score < 0) return score + Math.min(paceLeft, budgetLeft / tune.ratio);
    if (tune.clock && budget !== null && budget.leftMs === null) return 900 + paceLeft;
    if (tune.clock && pace !== null && pace.leftMs === null && process.env.PCLOCK === '2' && act === 0)
      return 800 + 100 * (1 - (budget?.leftMs ?? 0) / (7 * DAY_MS));
    if (tune.mode === 'edf') return 100 * (1 - (budget?.leftMs ?? 7 * DAY_MS) / (7 * DAY_MS));
    if (tune.mode === 'rate') {
      const T = budget?.leftMs ?? 7 * DAY_MS;
      const pl = pace?.leftMs ?? 5 * 3.6e6;
      const burn = Math.min(budgetLeft, (Math.max(0, paceLeft) + Math.max(0, T - pl) / (5 * 3.6e6)) * tune.ratio);
      return burn / (T / DAY_MS);
    }
    if (tune.mode === 'rateload') {
      const T = Math.max(budget?.leftMs ?? 7 * DAY_MS, 5 * 3.6e6);
      const burn = Math.min(
        budgetLeft,
        Math.max(0, paceLeft) * tune.ratio + (Math.max(0, T - 5 * 3.6e6) / (5 * 3.6e6)) * tune.ratio,
      );
      return burn / (T / DAY_MS) / (1 + act);
    }
    if (tune.mode === 'load') return -act;
    if (tune.mode === 'pace') return paceLeft;
    return 0;
  };
}
