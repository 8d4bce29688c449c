/**
 * Why a key rests: its quota window is used up, it was rate limited, or it failed while other keys worked.
 * `upstream` rests are soft: such a key still serves when nobody else can.
 */
export type CooldownReason = 'quota' | 'rate' | 'upstream';

export type Cooldown = {
  /** Epoch ms. */
  readonly until: number;
  readonly reason: CooldownReason;
};

export type Block = {
  /** Epoch ms; null until a recheck or a person clears it. */
  readonly until: number | null;
  /** `auth`: the key was refused; `payment_required`: the account is unpaid; `banned`: it is closed; else what an older file says. */
  readonly reason: string;
};

/** Which account a key belongs to, as `GET /me` said. */
export type KnownAccount = {
  /** A short hash of the upstream's id of it, the same in every process (`hashAccountId`). */
  readonly id: string;
  /** When it was asked; epoch ms. */
  readonly at: number;
};

export type ErrorCounter = 'errors401' | 'errors403' | 'errors429' | 'errors5xx';
export type Counter = ErrorCounter | 'requests';

/** What is remembered of a key between requests and restarts. Counters are whole numbers ≥ 0. */
export type KeyState = {
  /** Epoch ms. */
  lastUsed: number | null;
  requests: number;
  errors401: number;
  errors403: number;
  errors429: number;
  errors5xx: number;
  cooldown: Cooldown | null;
  block: Block | null;
  /** null until `GET /me` answered. */
  account: KnownAccount | null;
};

export function newKeyState(): KeyState {
  return {
    lastUsed: null,
    requests: 0,
    errors401: 0,
    errors403: 0,
    errors429: 0,
    errors5xx: 0,
    cooldown: null,
    block: null,
    account: null,
  };
}

/** The block in force at `now`, or null. A 401 on record counts as a block until a success clears it. */
export function activeBlock(state: KeyState, now: number): Block | null {
  const { block } = state;
  if (block !== null && (block.until === null || block.until > now)) return block;
  return state.errors401 > 0 ? UNFORGIVEN_401 : null;
}

const UNFORGIVEN_401: Block = Object.freeze({ until: null, reason: 'auth' });

/** The cooldown in force at `now`, or null. */
export function activeCooldown(state: KeyState, now: number): Cooldown | null {
  return state.cooldown !== null && state.cooldown.until > now ? state.cooldown : null;
}

/** (403 + 429 + 5xx) / requests, 0 to 1 and more; 0 for an unused key. */
export function errorRate(state: KeyState): number {
  return (state.errors403 + state.errors429 + state.errors5xx) / Math.max(state.requests, 1);
}
