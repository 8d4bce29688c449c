/**
 * Why a key is on cooldown: its quota window is used up, it was rate limited, or it failed while other keys worked.
 * After `upstream` it is a reserve: it still serves when no other key can.
 */
export type CooldownReason = 'quota' | 'rate' | 'upstream';

export type Cooldown = {
  /** Epoch ms. */
  readonly until: number;
  readonly reason: CooldownReason;
  /** Absent: the upstream stated it. */
  readonly end?: CooldownEnd;
};

/**
 * What is known of a cooldown's end when the upstream did not state it: `guessed`, nothing; `doubted`, neither can `/usages` be
 * asked, for it says that there is quota while the upstream refuses for want of it. After either, one request goes first.
 */
export type CooldownEnd = 'guessed' | 'doubted';

export type Block = {
  /** Epoch ms; null until a recheck (`endsByRecheck`) or a person unblocks the key. */
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
  /** When an error was last held against the key; epoch ms. */
  failedAt: number | null;
  /** When a `/usages` reading that said "quota left" was last asked for by a command; epoch ms. */
  quotaSeenAt: number | null;
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
    failedAt: null,
    quotaSeenAt: null,
  };
}

/** The block in force at `now`, or null. A 401 on record counts as a block until a success clears it. */
export function activeBlock(state: KeyState, now: number): Block | null {
  const { block } = state;
  if (block !== null && (block.until === null || block.until > now)) return block;
  return state.errors401 > 0 ? REFUSED_401 : null;
}

/** Whether a recheck that succeeds ends a block. A closed account does not come back by itself: a person must know better. */
export function endsByRecheck({ reason }: Block): boolean {
  return reason !== 'banned';
}

const REFUSED_401: Block = Object.freeze({ until: null, reason: 'auth' });

/** The cooldown in force at `now`, or null. */
export function activeCooldown(state: KeyState, now: number): Cooldown | null {
  return state.cooldown !== null && state.cooldown.until > now ? state.cooldown : null;
}

/** The errors of a key count half as much after each of these. */
const ERRORS_HALVE_MS = 60_000;

/**
 * (403 + 429 + 5xx) / requests, 0 to 1 and more, halved with every minute since the last of them and rounded to whole
 * percents, so that errors of long ago decide nothing. A state that does not say when had them when it was last used.
 */
export function recentErrorRate(state: KeyState, now: number): number {
  const errors = state.errors403 + state.errors429 + state.errors5xx;
  const at = state.failedAt ?? state.lastUsed;
  if (errors === 0 || at === null) return 0;
  const rate = errors / Math.max(state.requests, 1);
  return Math.round(100 * rate * 2 ** (-Math.abs(now - at) / ERRORS_HALVE_MS)) / 100;
}
