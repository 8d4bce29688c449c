import type { QuotaWindow, Usage } from './quota.ts';

/** What is known of a key from its `GET /usages`. */
export type KeyHealth = {
  /** null when the last call failed, unless an earlier answer is still fresh enough to go by. */
  readonly usage: Usage | null;
  /** How the last call failed; null when it did not. Fit to be shown: no key, one line. */
  readonly error: string | null;
  /** Epoch ms of the answer that `usage` is from; of the failed call when there is none. */
  readonly fetchedAt: number;
  /** Epoch ms at which the call for it began: what the upstream did after that it may not know of. Absent: as `fetchedAt`. */
  readonly askedAt?: number;
};

export function hasWallet(usage: Usage | null): boolean {
  return (usage?.walletCents ?? 0) > 0;
}

/**
 * What an earlier reading says at `now`: nothing of the windows that were reset since. What is left of those is not known until
 * the upstream is asked again. Null when no window is left to speak of.
 */
export function readingAt(health: KeyHealth, now: number): KeyHealth | null {
  const { usage } = health;
  const isOver = (window: QuotaWindow) => {
    const endsAt = endOf(window, health.fetchedAt);
    return endsAt !== null && endsAt <= now;
  };
  if (usage === null || !usage.windows.some(isOver)) return health;
  const windows = usage.windows.map((window) => (isOver(window) ? { ...window, remainingShare: null, used: null } : window));
  const known = windows.flatMap(({ remainingShare }) => remainingShare ?? []);
  return known.length === 0 ? null : { ...health, usage: { ...usage, windows, remainingShare: Math.min(...known) } };
}

/** When a window is full again: a length of it after the reading at the latest, whatever reset it states. Null: unknown. */
function endOf({ resetsAt, durationMs }: QuotaWindow, fetchedAt: number): number | null {
  return resetsAt === null ? null : Math.min(resetsAt, fetchedAt + (durationMs ?? LONGEST_WINDOW_MS));
}

/** Epoch ms at which the account's empty windows are all full again; null when nothing is empty or it is unknown. */
export function quotaReturnsAt({ usage, fetchedAt }: Pick<KeyHealth, 'usage' | 'fetchedAt'>): number | null {
  let latest: number | null = null;
  for (const window of usage?.windows ?? []) {
    if (window.remainingShare === null || window.remainingShare > 0) continue;
    const endsAt = endOf(window, fetchedAt);
    if (endsAt === null) return null;
    latest = Math.max(latest ?? 0, endsAt);
  }
  return latest;
}

/** Every window that was empty at the reading has been renewed since. */
export function isRenewed(health: KeyHealth, now: number): boolean {
  const returnsAt = quotaReturnsAt(health);
  return returnsAt !== null && returnsAt <= now;
}

/** A month. */
export const LONGEST_WINDOW_MS = 32 * 86_400_000;

/** Whether the reading says that the account can serve: from its plan, or from its wallet. */
export function hasQuota(usage: Usage | null): boolean {
  return usage !== null && ((usage.remainingShare !== null && usage.remainingShare > 0) || hasWallet(usage));
}
