import { activeBlock, activeCooldown, errorRate, type KeyState } from './key-state.ts';
import type { Usage } from './quota.ts';

/** What is known of a key from its `GET /usages`. */
export type KeyHealth = {
  /** null when the last call failed, unless an earlier answer is still fresh enough to go by. */
  readonly usage: Usage | null;
  /** How the last call failed; null when it did not. Fit to be shown: no key, one line. */
  readonly error: string | null;
  /** Epoch ms of the answer that `usage` is from; of the failed call when there is none. */
  readonly fetchedAt: number;
};

export type KeyStatus = 'healthy' | 'warn' | 'exhausted' | 'blocked';

const LOW_SHARE = 0.2;
const HIGH_ERROR_RATE = 0.05;

/**
 * The status of a key, first match wins (docs/kmi-manager.md#key-status): blocked, cooling down, nothing left, then the
 * reasons to be careful: a 403, no usage, under 20 % left, any 429 or 5xx, an error rate of 5 % or more.
 * An empty window with money in the wallet is a warning, not a block (docs/kimi-api.md#wallet).
 */
export function scoreKey(state: KeyState, usage: Usage | null, now: number): KeyStatus {
  if (activeBlock(state, now) !== null) return 'blocked';
  if (activeCooldown(state, now) !== null) return 'exhausted';
  const share = usage?.remainingShare ?? null;
  if (share !== null && share <= 0 && !hasWallet(usage)) return 'blocked';
  if (state.errors403 > 0 || share === null || share < LOW_SHARE) return 'warn';
  if (state.errors429 > 0 || state.errors5xx > 0 || errorRate(state) >= HIGH_ERROR_RATE) return 'warn';
  return 'healthy';
}

export function hasWallet(usage: Usage | null): boolean {
  return (usage?.walletCents ?? 0) > 0;
}

/** Epoch ms at which the account's empty windows are all full again; null when nothing is empty or nobody knows. */
export function quotaReturnsAt(usage: Usage): number | null {
  let latest: number | null = null;
  for (const window of usage.windows) {
    if (window.remainingShare === null || window.remainingShare > 0) continue;
    if (window.resetsAt === null) return null;
    latest = Math.max(latest ?? 0, window.resetsAt);
  }
  return latest;
}
