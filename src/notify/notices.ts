import type { AccountSkipReason } from '../core/choosing/account-pool.ts';
import { earliest, type KeyOut, noKeyWords } from '../core/choosing/no-key.ts';
import { atWithSpan } from '../core/text/duration.ts';
import { listed } from '../core/text/listed.ts';
import type { Zone } from '../core/text/zoned-time.ts';
import type { KeyPicture, Picture } from './picture.ts';

export type NoticeEvent =
  | 'none_left'
  | 'used_up'
  | 'back'
  | 'key_refused'
  | 'login_expired'
  | 'account_unpaid'
  | 'account_closed'
  | 'test';

/** What a person is told. Holds labels, never a key. */
export type Notice = {
  readonly event: NoticeEvent;
  readonly text: string;
  /** The key it is about; null when it is about several or none. */
  readonly keyLabel: string | null;
  /** When it happened; epoch ms. */
  readonly at: number;
  /** When it ends; epoch ms. Null: not known, or it has ended. */
  readonly until: number | null;
};

/** Something that happened to a key or account. */
type Change = { readonly event: NoticeEvent; readonly cause: string; readonly key: KeyPicture };

const HOUR_MS = 3_600_000;

/** Lets each cause through once an hour. */
export class OncePerHour {
  readonly #said = new Map<string, number>();

  /** Whether the cause may be told now; it then counts as told. */
  takes(cause: string, now: number): boolean {
    const last = this.#said.get(cause);
    if (last !== undefined && Math.abs(now - last) < HOUR_MS) return false;
    this.#said.set(cause, now);
    return true;
  }
}

/** The notices that the step from one picture to the next is worth: one a kind, and one alone when no key can serve any more. */
export function noticesBetween(before: Picture, now: Picture, limit: OncePerHour, zone: Zone): readonly Notice[] {
  const fresh = changesBetween(before, now).filter(({ cause }) => limit.takes(cause, now.at));
  if (now.isNoneLeft && !before.isNoneLeft) return limit.takes('none_left', now.at) ? [noneLeft(now, zone)] : [];
  const events = [...new Set(fresh.map(({ event }) => event))];
  return events.map((event) => {
    const keys = fresh.filter((change) => change.event === event).map(({ key }) => key);
    return noticeOf(event, keys, now, zone);
  });
}

type KeyEvent = Exclude<NoticeEvent, 'none_left' | 'test'>;

/** What else keeps a key from serving passes, or a person did it: nobody need be called. */
const EVENT_OF: Readonly<Partial<Record<AccountSkipReason, KeyEvent>>> = {
  quota: 'used_up',
  empty: 'used_up',
  auth: 'key_refused',
  login_expired: 'login_expired',
  payment_required: 'account_unpaid',
  banned: 'account_closed',
  blocked: 'account_closed',
};

const OF_ONE_KEY: ReadonlySet<KeyEvent> = new Set(['key_refused', 'login_expired'] as const);

function eventOf({ reason }: KeyPicture): KeyEvent | null {
  return reason === null ? 'back' : (EVENT_OF[reason] ?? null);
}

function changesBetween(before: Picture, now: Picture): readonly Change[] {
  const wasOf = new Map(before.keys.map((key) => [key.label, eventOf(key)]));
  const seen = new Set<string>();
  return now.keys.flatMap((key) => {
    const was = wasOf.get(key.label);
    const event = eventOf(key);
    // A key that nobody knew before serves as a matter of course; one that was out for a moment is not back.
    if (event === null || event === (was === undefined ? 'back' : was) || (event === 'back' && was === null)) return [];
    // Quota and plan are the account's: its keys are one cause. A refusal is of one key, and of one login.
    const cause = `${event} ${OF_ONE_KEY.has(event) ? key.label : key.account}`;
    if (seen.has(cause)) return [];
    seen.add(cause);
    return [{ event, cause, key }];
  });
}

function noneLeft({ keys, at }: Picture, zone: Zone): Notice {
  const out = keys.flatMap((key) => key.out ?? []);
  const { text, fix, returnsAt: until } = noKeyWords(out, { now: at, zone });
  return { event: 'none_left', text: `${text} ${fix}`, keyLabel: null, at, until };
}

const NAMED_MAX = 5;

function noticeOf(event: NoticeEvent, keys: readonly KeyPicture[], now: Picture, zone: Zone): Notice {
  const labels = keys.map(({ label }) => label);
  const rest = labels.length - NAMED_MAX;
  const names = listed(rest > 0 ? [...labels.slice(0, NAMED_MAX), `${rest} more`] : labels, 'and');
  const isOne = keys.length === 1;
  const first = earliest(keys.flatMap(({ out }) => out ?? []));
  const until = first?.until ?? null;
  const said = { names, fix: isOne ? (keys[0]?.out?.fix ?? null) : null, isOne };
  const text = textOf(event, said, now, first === null ? '' : backText(isOne, first, now.at, zone));
  return { event, text, keyLabel: isOne ? (labels[0] as string) : null, at: now.at, until: event === 'back' ? null : until };
}

type Said = { readonly names: string; readonly fix: string | null; readonly isOne: boolean };

function textOf(event: NoticeEvent, { names, fix, isOne }: Said, { keys }: Picture, back: string): string {
  const recheck = 'then run `kmi doctor --recheck-keys`';
  switch (event) {
    case 'used_up': {
      const left = keys.filter(({ reason }) => reason === null).length;
      return `${names} ${isOne ? 'has used up its' : 'have used up their'} quota.${back} ${left} of ${keys.length} keys can serve.`;
    }
    case 'back':
      return `${names} can serve again.`;
    case 'key_refused':
      return `Kimi refused the ${isOne ? 'key' : 'keys'} ${names} (401). Replace ${isOne ? 'it' : 'them'}, ${recheck}.`;
    case 'login_expired':
      return `The ${isOne ? 'login' : 'logins'} ${names} ${isOne ? 'has' : 'have'} expired. ${fix ?? '`kmi status` says how to log in again.'}`;
    case 'account_unpaid':
      return `The ${isOne ? 'account' : 'accounts'} of ${names} must be paid for. Renew the plan, ${recheck}.`;
    case 'account_closed':
      return `The ${isOne ? 'account' : 'accounts'} of ${names} ${isOne ? 'is' : 'are'} blocked by Kimi. \`kmi doctor\` says what to do.`;
    case 'none_left':
    case 'test':
      return testText();
  }
}

function backText(isOne: boolean, { until, isReturn }: KeyOut, now: number, zone: Zone): string {
  if (until === null) return '';
  return ` ${isOne ? 'It' : 'The first'} is ${isReturn ? 'back' : 'tried again'} ${atWithSpan(until, now, zone)}.`;
}

function testText(): string {
  return 'This is a test notice of kmi.';
}

/** What `kmi notify-test` sends. */
export function testNotice(at: number): Notice {
  return { event: 'test', text: testText(), keyLabel: null, at, until: null };
}
