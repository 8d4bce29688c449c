import type { Block, Cooldown, CooldownEnd, ErrorCounter } from '../keys/key-state.ts';
import { LONGEST_WINDOW_MS } from '../quota/key-health.ts';
import { CONSEQUENCES, type VerdictClass } from './verdict.ts';

export type PenaltySettings = {
  readonly rotationCooldownSeconds: number;
  /** 0: until unblocked by hand. */
  readonly paymentBlockSeconds: number;
};

export type Penalty =
  | { readonly kind: 'block'; readonly block: Block }
  | { readonly kind: 'cooldown'; readonly cooldown: Cooldown };

export type PenaltyContext = {
  readonly now: number;
  /** What the answer's `Retry-After` asks for; null when absent. */
  readonly retryAfterMs: number | null;
  /** Length of the quota window that the refusal names; null or absent when it names none. */
  readonly windowMs?: number | null;
  /** Epoch ms at which `/usages` says the account's empty windows return; null when unknown. */
  readonly quotaReturnsAt: number | null;
  /** How often the key was rate limited before this, with no success between. */
  readonly rateLimitsInARow: number;
  readonly settings: PenaltySettings;
};

const RATE_FIRST_MS = 5_000;
/** A burst is over in minutes; the longest that was ever asked for is 1152 s, by a limit of tokens per day. */
const RATE_MAX_MS = 20 * 60_000;
const BROKEN_MAX_MS = 60_000;
/** What a refusal for quota can ask for by `Retry-After` alone, when neither it nor `/usages` names a window. */
const UNNAMED_QUOTA_MAX_MS = 86_400_000;

/**
 * The longest cooldown for an answer of this class when nothing but its `Retry-After` gives the end. Each kind has a ceiling of its
 * own: what exceeds it is not believed. A client is told no more either.
 */
export function cooldownCeilingMs(verdict: VerdictClass, windowMs: number | null = null): number {
  switch (verdict) {
    case 'rate':
      return RATE_MAX_MS;
    case 'quota':
      return windowMs ?? UNNAMED_QUOTA_MAX_MS;
    case 'broken':
    case 'refused':
    case 'dead-end':
    case 'overloaded':
      return BROKEN_MAX_MS;
    default:
      return UNNAMED_QUOTA_MAX_MS;
  }
}

/** The cooldown or block that an answer of this class puts on a key or account; null for none. */
export function penaltyFor(verdict: VerdictClass, context: PenaltyContext): Penalty | null {
  const { now, retryAfterMs, windowMs = null, settings } = context;
  const settingMs = settings.rotationCooldownSeconds * 1000;
  const ceilingMs = cooldownCeilingMs(verdict, windowMs);
  switch (verdict) {
    case 'bad-key':
      return block('auth', null);
    case 'banned':
      return block('banned', null);
    case 'unpaid':
      return block('payment_required', settings.paymentBlockSeconds === 0 ? null : now + settings.paymentBlockSeconds * 1000);
    case 'quota':
      return quotaCooldown(context, settingMs, ceilingMs);
    case 'rate':
      return retryAfterMs !== null && retryAfterMs <= ceilingMs
        ? cooldown('rate', now + retryAfterMs)
        : cooldown('rate', now + Math.min(retryAfterMs ?? rateMs(context.rateLimitsInARow, settingMs), ceilingMs), 'guessed');
    case 'broken':
    case 'refused':
    case 'dead-end':
      return cooldown('upstream', now + Math.min(retryAfterMs ?? settingMs, settingMs, ceilingMs), 'guessed');
    // What keeps it out is the login itself, until a person logs in again.
    case 'login-over':
    case 'served':
    case 'caller':
    case 'agents-only':
    case 'foreign':
    case 'edge':
    case 'no-model':
    case 'overloaded':
      return null;
  }
}

/** Doubles with each refusal in a row, up to the setting. */
function rateMs(rateLimitsInARow: number, settingMs: number): number {
  return Math.min(RATE_FIRST_MS * 2 ** Math.min(rateLimitsInARow, 16), settingMs);
}

/** Until the reset that `/usages` states; else for what `Retry-After` says or the setting, which `/usages` may yet correct. */
function quotaCooldown({ now, quotaReturnsAt, retryAfterMs }: PenaltyContext, settingMs: number, ceilingMs: number): Penalty {
  const latest = now + LONGEST_WINDOW_MS;
  if (quotaReturnsAt !== null && quotaReturnsAt > now) {
    return quotaReturnsAt <= latest ? cooldown('quota', quotaReturnsAt) : cooldown('quota', latest, 'guessed');
  }
  return cooldown('quota', now + Math.min(retryAfterMs ?? settingMs, ceilingMs), 'guessed');
}

function block(reason: Block['reason'], until: number | null): Penalty {
  return { kind: 'block', block: { reason, until } };
}

function cooldown(reason: Cooldown['reason'], until: number, end?: CooldownEnd): Penalty {
  return { kind: 'cooldown', cooldown: end === undefined ? { reason, until } : { reason, until, end } };
}

/**
 * Which counter an answer adds to (401, 403, 429, 5xx); null for none. An answer that says nothing about the key (the request,
 * the model, the network or the server was at fault) counts nothing, and only a refused credential counts as a 401, because a
 * 401 on record blocks. No answer at all (null) counts as a failure of the server's.
 */
export function countedError(verdict: VerdictClass, status: number | null): ErrorCounter | null {
  if (CONSEQUENCES[verdict].blame === 'none') return null;
  if (verdict === 'bad-key') return 'errors401';
  if (status === 403) return 'errors403';
  if (status === 429) return 'errors429';
  return status === null || status >= 500 ? 'errors5xx' : null;
}
