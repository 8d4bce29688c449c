/** Why a key is no plain choice: it is disabled, blocked, on cooldown, or its quota reading says that nothing is left. */
export type UnreadyReason =
  | 'disabled'
  | 'login_expired'
  | 'auth'
  | 'payment_required'
  | 'banned'
  | 'blocked'
  | 'quota'
  | 'rate'
  | 'upstream'
  | 'probing'
  | 'empty';

/**
 * Whether a key may be chosen now: `ready`; `reserve`, only when no key is ready (it failed while others worked, or its last
 * `/usages` reading says empty although the upstream has not refused it); or `out`.
 */
export type Eligibility =
  | { readonly is: 'ready' }
  | {
      readonly is: 'reserve' | 'out';
      readonly reason: UnreadyReason;
      /** Epoch ms of the return, when known. */
      readonly until: number | null;
    };

/** What a key is called in views and JSON, the best first. `ready`: it can serve, and its quota was not asked for. */
export const KEY_STATUSES = ['healthy', 'ready', 'warn', 'cooldown', 'empty', 'blocked', 'disabled'] as const;

export type KeyStatus = (typeof KEY_STATUSES)[number];

const UNREADY_STATUS: Readonly<Record<UnreadyReason, KeyStatus>> = {
  disabled: 'disabled',
  login_expired: 'blocked',
  auth: 'blocked',
  payment_required: 'blocked',
  banned: 'blocked',
  blocked: 'blocked',
  quota: 'cooldown',
  rate: 'cooldown',
  upstream: 'cooldown',
  probing: 'cooldown',
  empty: 'empty',
};

const LOW_SHARE = 0.2;

/** A `/usages` answer, as far as a status goes by it. */
type Reading = { readonly usage: { readonly remainingShare: number | null } | null };

/**
 * The status of a key: by the reason that keeps it from serving, else by its reading: under 20 % left, or asked for and not
 * known, is a warning. Errors of the past are none: a cooldown is the whole punishment.
 */
export function statusOf(eligibility: Eligibility, health: Reading | null): KeyStatus {
  if (eligibility.is !== 'ready') return UNREADY_STATUS[eligibility.reason];
  if (health === null) return 'ready';
  const share = health.usage?.remainingShare ?? null;
  return share === null || share < LOW_SHARE ? 'warn' : 'healthy';
}
