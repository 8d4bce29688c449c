import { type Candidate, eligibilityOf, type SkipReason, statusOf } from '../core/choosing/eligibility.ts';
import { activeBlock } from '../core/keys/key-state.ts';
import { type KeyStatus, quotaReturnsAt } from '../core/quota/key-health.ts';
import { oneLine } from '../core/text/one-line.ts';
import type { Zone } from '../core/text/zoned-time.ts';
import { ENGLISH, type TimeWords, untilWithClock } from './duration.ts';
import type { Style } from './style.ts';

/** What a key is called in a view: its status, or a plainer word where the status hides the cause. */
export type KeyWord = KeyStatus | 'ready' | 'disabled' | 'empty';

/** The words of a language for the states of keys. */
export type KeyWords = {
  readonly word: Readonly<Record<KeyWord, string>>;
  readonly reason: Readonly<Record<SkipReason, string>>;
  /** Before the time of return. */
  readonly back: string;
  readonly untilRecheck: string;
  readonly time: TimeWords;
};

export const ENGLISH_KEYS: KeyWords = {
  word: {
    healthy: 'healthy',
    warn: 'warn',
    exhausted: 'exhausted',
    blocked: 'blocked',
    ready: 'ready',
    disabled: 'disabled',
    empty: 'empty',
  },
  reason: {
    disabled: 'switched off in its auth file',
    auth: 'key refused (401)',
    payment_required: 'account unpaid',
    banned: 'account closed by Kimi',
    blocked: 'blocked',
    quota: 'quota used up',
    rate: 'rate limited',
    upstream: 'failed while others worked',
    empty: 'no quota left',
    probing: 'being tried after its rest',
    no_usage: 'usage unknown',
    key_rate_limit: 'over its own rate limit',
    busy: 'as many requests at a time as it may have',
    tried: 'tried already',
  },
  back: 'back',
  untilRecheck: 'until a recheck succeeds',
  time: ENGLISH,
};

/** The word for a key: by its health where that is known, else by whether it may serve. */
export function keyWord(candidate: Candidate, now: number): KeyWord {
  if (candidate.key.disabled) return 'disabled';
  const eligibility = eligibilityOf(candidate, now);
  if (eligibility.is === 'reserve' && eligibility.reason === 'empty') return 'empty';
  if (candidate.health === null && eligibility.is === 'ready') return 'ready';
  return statusOf(candidate, now);
}

export function paintWord(word: KeyWord, style: Style): (text: string) => string {
  switch (word) {
    case 'healthy':
    case 'ready':
      return style.good;
    case 'warn':
    case 'exhausted':
      return style.warn;
    case 'blocked':
    case 'empty':
      return style.bad;
    case 'disabled':
      return style.dim;
  }
}

/** Why a key does not serve and when it comes back: "quota used up, back in 35 min (14:05)"; null when it may serve. */
export function whyOut(candidate: Candidate, now: number, zone: Zone, words: KeyWords = ENGLISH_KEYS): string | null {
  const eligibility = eligibilityOf(candidate, now);
  if (eligibility.is === 'ready') return null;
  const block = eligibility.reason === 'disabled' ? null : activeBlock(candidate.state, now);
  const reason =
    eligibility.reason === 'blocked' && block !== null && block.reason !== 'blocked'
      ? `${words.reason.blocked}: ${oneLine(block.reason, 60)}`
      : words.reason[eligibility.reason];
  const until = eligibility.reason === 'empty' ? refillAt(candidate) : eligibility.until;
  if (until !== null) return `${reason}, ${words.back} ${untilWithClock(until, now, zone, words.time)}`;
  return block === null ? reason : `${reason}, ${words.untilRecheck}`;
}

function refillAt({ health }: Candidate): number | null {
  return health === null ? null : quotaReturnsAt(health);
}

/** "1 key", "3 keys". */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
