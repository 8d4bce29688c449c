import type { Block, Cooldown, ErrorCounter } from './key-state.ts';
import type { VerdictClass } from './verdict.ts';

export type PenaltySettings = {
  readonly rotationCooldownSeconds: number;
  /** 0: until cleared by hand. */
  readonly paymentBlockSeconds: number;
};

export type Penalty =
  | { readonly kind: 'block'; readonly block: Block }
  | { readonly kind: 'cooldown'; readonly cooldown: Cooldown };

export type PenaltyContext = {
  readonly now: number;
  /** What the answer's `Retry-After` asks for; null when absent. */
  readonly retryAfterMs: number | null;
  /** Epoch ms at which `/usages` says the account's empty windows return; null when unknown. */
  readonly quotaReturnsAt: number | null;
  /** How often in a row the key was rate limited before this. */
  readonly strikes: number;
  readonly settings: PenaltySettings;
};

const RATE_FIRST_MS = 5_000;
const BROKEN_MAX_MS = 60_000;
/** A return this far away is a wrong reading, not a window (the longest is a month). */
const LONGEST_REST_MS = 32 * 86_400_000;

/** How long a key or account is put away for an answer of this class; null when nobody is. */
export function penaltyFor(verdict: VerdictClass, context: PenaltyContext): Penalty | null {
  const { now, retryAfterMs, settings } = context;
  const settingMs = settings.rotationCooldownSeconds * 1000;
  switch (verdict) {
    case 'bad-key':
      return block('auth', null);
    case 'banned':
      return block('banned', null);
    case 'unpaid':
      return block('payment_required', settings.paymentBlockSeconds === 0 ? null : now + settings.paymentBlockSeconds * 1000);
    case 'quota':
      return cooldown('quota', quotaUntil(context, settingMs));
    case 'rate':
      return cooldown('rate', now + Math.min(retryAfterMs ?? rateMs(context.strikes, settingMs), LONGEST_REST_MS));
    case 'broken':
    case 'refused':
      return cooldown('upstream', now + Math.min(retryAfterMs ?? settingMs, settingMs, BROKEN_MAX_MS));
    case 'served':
    case 'caller':
    case 'no-model':
    case 'overloaded':
      return null;
  }
}

/** Doubles with each refusal in a row, up to the setting. */
function rateMs(strikes: number, settingMs: number): number {
  return Math.min(RATE_FIRST_MS * 2 ** Math.min(strikes, 16), settingMs);
}

function quotaUntil({ now, quotaReturnsAt, retryAfterMs }: PenaltyContext, settingMs: number): number {
  if (quotaReturnsAt !== null && quotaReturnsAt > now) return Math.min(quotaReturnsAt, now + LONGEST_REST_MS);
  return now + Math.min(retryAfterMs ?? settingMs, LONGEST_REST_MS);
}

function block(reason: Block['reason'], until: number | null): Penalty {
  return { kind: 'block', block: { reason, until } };
}

function cooldown(reason: Cooldown['reason'], until: number): Penalty {
  return { kind: 'cooldown', cooldown: { reason, until } };
}

/**
 * Which counter an answer adds to (docs/kmi-manager.md#error-counters: 401, 403, 429, 5xx); null for none. An answer
 * that says nothing about the key (the request, the model or the server was at fault) counts nothing, and only a refused
 * credential counts as a 401, because a 401 on record blocks.
 */
export function countedError(verdict: VerdictClass, status: number): ErrorCounter | null {
  if (verdict === 'served' || verdict === 'caller' || verdict === 'no-model' || verdict === 'overloaded') return null;
  if (verdict === 'bad-key') return 'errors401';
  if (status === 403) return 'errors403';
  if (status === 429) return 'errors429';
  return status >= 500 ? 'errors5xx' : null;
}
