import { isLoginOver, type Key } from '../keys/key.ts';
import { activeBlock, activeCooldown, type KeyState } from '../keys/key-state.ts';
import { type Eligibility, type KeyStatus, statusOf, type UnreadyReason } from '../keys/key-status.ts';
import { hasWallet, isRenewed, type KeyHealth, readingAt } from '../quota/key-health.ts';

/** A key with all that choosing looks at. `health` is null until the first `/usages` answer. */
export type Candidate = {
  readonly key: Key;
  readonly state: KeyState;
  readonly health: KeyHealth | null;
  /** When a request was last sent to find out whether a cooldown of the account is over; epoch ms. Absent or null: never. */
  readonly probedAt?: number | null;
};

/**
 * How long others wait for the answer of such a request. Refusals come faster, and a request that has waited for longer was
 * accepted.
 */
const PROBE_MS = 5_000;

/** Why a candidate was passed over: it was not ready, or this request had no use for it. */
export type SkipReason = UnreadyReason | 'no_usage' | 'key_rate_limit' | 'busy' | 'tried';

const READY: Eligibility = Object.freeze({ is: 'ready' });

/** The eligibility of a candidate at `now` (docs/kmi-manager.md#eligible-keys). */
export function eligibilityOf(candidate: Candidate, now: number): Eligibility {
  const { key, state } = candidate;
  if (key.disabled) return { is: 'out', reason: 'disabled', until: null };
  if (isLoginOver(key, now)) return { is: 'out', reason: 'login_expired', until: null };
  const block = activeBlock(state, now);
  if (block !== null) return { is: 'out', reason: blockReason(block.reason), until: block.until };
  const cooldown = activeCooldown(state, now);
  if (cooldown !== null)
    return { is: cooldown.reason === 'upstream' ? 'reserve' : 'out', reason: cooldown.reason, until: cooldown.until };
  if (state.cooldown !== null && isProbed(candidate, now)) {
    const until = (candidate.probedAt ?? now) + PROBE_MS;
    return { is: state.cooldown.reason === 'upstream' ? 'reserve' : 'out', reason: 'probing', until };
  }
  if (isEmpty(candidate, now)) return { is: 'reserve', reason: 'empty', until: null };
  return READY;
}

function blockReason(reason: string): UnreadyReason {
  return reason === 'auth' || reason === 'payment_required' || reason === 'banned' ? reason : 'blocked';
}

/** A cooldown without a stated end is over, and a request is under way that finds out whether the key serves again. */
function isProbed({ state, probedAt = null }: Candidate, now: number): boolean {
  if (state.cooldown?.end === undefined || probedAt === null || probedAt < state.cooldown.until) return false;
  return now >= probedAt && now < probedAt + PROBE_MS;
}

/** Whether the last reading says that nothing is left, no command has read better since, and no empty window was renewed. */
function isEmpty({ health, state }: Candidate, now: number): boolean {
  const share = health?.usage?.remainingShare ?? null;
  if (health === null || share === null || share > 0 || hasWallet(health.usage)) return false;
  return (state.quotaSeenAt === null || state.quotaSeenAt <= health.fetchedAt) && !isRenewed(health, now);
}

/** Whether nothing keeps the key from serving, its quota reading included. */
export function isReady(candidate: Candidate, now: number): boolean {
  return eligibilityOf(candidate, now).is === 'ready';
}

export function keyStatusOf(candidate: Candidate, now: number): KeyStatus {
  return statusAt(candidate, eligibilityOf(candidate, now), now);
}

/** The same for a candidate whose eligibility is known. Of windows that were renewed since the reading it tells nothing. */
export function statusAt({ health }: Candidate, eligibility: Eligibility, now: number): KeyStatus {
  return statusOf(eligibility, health === null ? null : readingAt(health, now));
}
