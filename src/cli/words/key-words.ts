import type { Candidate } from '../../core/choosing/eligibility.ts';
import { whyOut } from '../../core/choosing/no-key.ts';
import { activeBlock, endsByRecheck } from '../../core/keys/key-state.ts';
import type { KeyStatus, UnreadyReason } from '../../core/keys/key-status.ts';
import { ENGLISH, type TimeWords, untilWithClock } from '../../core/text/duration.ts';
import { oneLine } from '../../core/text/one-line.ts';
import type { Zone } from '../../core/text/zoned-time.ts';
import type { Style } from '../ui/style.ts';
import { REASON_WORDS } from './reason-words.ts';

/** The words of a language for the status of keys. */
export type KeyWords = {
  readonly status: Readonly<Record<KeyStatus, string>>;
  readonly reason: (reason: UnreadyReason) => string;
  /** Where it is that a key, or a login, is disabled. */
  readonly disabledIn: { readonly key: string; readonly login: string };
  /** Before the time of return. */
  readonly back: string;
  /** Before the end of a block: nothing says that the key works then. */
  readonly askedAgain: string;
  readonly untilRecheck: string;
  /** Of a block that no recheck ends. */
  readonly untilUnblocked: string;
  readonly time: TimeWords;
};

export const ENGLISH_KEYS: KeyWords = {
  status: {
    // The same to people: it can serve.
    healthy: 'ready',
    ready: 'ready',
    warn: 'warn',
    cooldown: 'cooldown',
    empty: 'empty',
    blocked: 'blocked',
    disabled: 'disabled',
  },
  reason: (reason) => REASON_WORDS[reason].short,
  disabledIn: { key: 'disabled in its auth file', login: 'disabled with `kmi keys disable`' },
  back: 'back',
  askedAgain: 'tried again',
  untilRecheck: 'until a recheck succeeds',
  untilUnblocked: 'until you unblock it',
  time: ENGLISH,
};

const PAINTS: Readonly<Record<KeyStatus, 'good' | 'warn' | 'bad' | 'dim'>> = {
  healthy: 'good',
  ready: 'good',
  warn: 'warn',
  cooldown: 'warn',
  empty: 'bad',
  blocked: 'bad',
  disabled: 'dim',
};

export function paintStatus(status: KeyStatus, style: Style): (text: string) => string {
  return style[PAINTS[status]];
}

/** Why a key cannot serve and when it comes back: "quota used up, back in 35 min (14:05)"; null when it can. */
export function outInWords(candidate: Candidate, now: number, zone: Zone, words: KeyWords = ENGLISH_KEYS): string | null {
  const out = whyOut(candidate, now);
  if (out === null) return null;
  if (out.reason === 'disabled') return words.disabledIn[candidate.key.login === undefined ? 'key' : 'login'];
  const block = activeBlock(candidate.state, now);
  const reason =
    out.reason === 'blocked' && block !== null && block.reason !== 'blocked'
      ? `${words.reason('blocked')}: ${oneLine(block.reason, 60)}`
      : words.reason(out.reason);
  const then = block === null ? words.back : words.askedAgain;
  if (out.until !== null) return `${reason}, ${then} ${untilWithClock(out.until, now, zone, words.time)}`;
  return block === null ? reason : `${reason}, ${endsByRecheck(block) ? words.untilRecheck : words.untilUnblocked}`;
}

/** "1 key", "3 keys". */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
