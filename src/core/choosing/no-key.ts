import { activeCooldown } from '../keys/key-state.ts';
import type { UnreadyReason } from '../keys/key-status.ts';
import { howToRenew } from '../keys/login-words.ts';
import { quotaReturnsAt } from '../quota/key-health.ts';
import { atWithSpan } from '../text/duration.ts';
import type { Zone } from '../text/zoned-time.ts';
import type { AccountSkipReason } from './account-pool.ts';
import { type Candidate, eligibilityOf } from './eligibility.ts';

/** A key that cannot serve. */
export type KeyOut = {
  readonly reason: AccountSkipReason;
  /** Epoch ms; null: not known. */
  readonly until: number | null;
  /** Whether the key serves again then; else it is only tried again. */
  readonly isReturn: boolean;
  /** What a person does about it, as a sentence, where that is about this key alone. */
  readonly fix?: string;
};

export type NoKey = {
  /** "All 4 Kimi keys have used up their quota. The first is back at 20:08 (in 2 h)." */
  readonly text: string;
  /** What to do, as a sentence. */
  readonly fix: string;
  /** Who ends it: time, a person who cares for keys or accounts, who logs in again, who enables a key, or who changes a setting. */
  readonly remedy: Remedy;
  /** Epoch ms of the earliest known return or try; null when none is known. */
  readonly returnsAt: number | null;
};

export type Remedy = 'wait' | 'doctor' | 'login' | 'enable' | 'usage';

type Phrase = {
  /** After "The only Kimi key". */
  readonly one: string;
  /** After "All 4 Kimi keys". */
  readonly many: string;
  /** After a count. */
  readonly short: string;
};

const USED_UP: Phrase = { one: 'has used up its quota', many: 'have used up their quota', short: 'used up' };

/** Why keys cannot serve, for people who see it in their client. */
const PHRASES: Readonly<Record<AccountSkipReason, Phrase>> = {
  disabled: { one: 'is disabled', many: 'are disabled', short: 'disabled' },
  login_expired: { one: 'needs a new login', many: 'need a new login', short: 'logged out' },
  auth: { one: 'was refused by Kimi', many: 'were refused by Kimi', short: 'refused' },
  payment_required: { one: 'belongs to an unpaid account', many: 'belong to unpaid accounts', short: 'unpaid' },
  banned: { one: 'belongs to a closed account', many: 'belong to closed accounts', short: 'closed by Kimi' },
  blocked: { one: 'is blocked', many: 'are blocked', short: 'blocked' },
  quota: USED_UP,
  empty: USED_UP,
  rate: { one: 'is rate-limited', many: 'are rate-limited', short: 'rate-limited' },
  upstream: { one: 'failed a moment ago', many: 'failed a moment ago', short: 'failed a moment ago' },
  probing: { one: 'is being tried again', many: 'are being tried again', short: 'being tried again' },
  no_usage: { one: 'has an unknown quota', many: 'have an unknown quota', short: 'with unknown quota' },
  key_rate_limit: { one: 'is at its own rate limit', many: 'are at their own rate limit', short: 'at its own rate limit' },
  busy: { one: 'is busy with other requests', many: 'are busy with other requests', short: 'busy' },
  tried: { one: 'has failed this request', many: 'have failed this request', short: 'tried' },
  wallet: { one: 'has only its wallet left', many: 'have only their wallets left', short: 'on the wallet' },
};

/** What only a person can end. */
const NEEDS_PERSON: ReadonlySet<AccountSkipReason> = new Set([
  'login_expired',
  'auth',
  'payment_required',
  'banned',
  'blocked',
] as const);

/** Why a key cannot serve, by what is known of the key itself; null when it can. */
export function whyOut(candidate: Candidate, now: number): (KeyOut & { readonly reason: UnreadyReason }) | null {
  const eligibility = eligibilityOf(candidate, now);
  if (eligibility.is === 'ready') return null;
  const { reason } = eligibility;
  const until = reason === 'empty' && candidate.health !== null ? quotaReturnsAt(candidate.health) : eligibility.until;
  const isStated = activeCooldown(candidate.state, now)?.end === undefined;
  const { label, login } = candidate.key;
  const fix = reason === 'login_expired' && login !== undefined ? howToRenew(label, login.kind) : null;
  const isReturn = isStated && reason !== 'probing' && !NEEDS_PERSON.has(reason);
  return { reason, until, isReturn, ...(fix === null ? {} : { fix }) };
}

/** What to tell a person when none of the keys can serve, and when that ends. There must be a key. */
export function noKeyWords(keys: readonly KeyOut[], { now, zone }: { readonly now: number; readonly zone: Zone }): NoKey {
  const enabled = keys.filter(({ reason }) => reason !== 'disabled');
  const first = earliest(enabled);
  const returnsAt = first?.until ?? null;
  const who = enabled.length === 1 ? 'It' : 'The first';
  const end =
    first === null || returnsAt === null
      ? ''
      : ` ${who} is ${first.isReturn ? 'back' : 'tried again'} ${atWithSpan(returnsAt, now, zone)}.`;
  const remedy = remedyOf(enabled);
  return { text: `${stateOf(keys, enabled)}${end}`, fix: fixOf(remedy, keys, enabled), remedy, returnsAt };
}

function fixOf(remedy: Remedy, keys: readonly KeyOut[], enabled: readonly KeyOut[]): string {
  if (remedy === 'wait') return `\`kmi status\` shows ${keys.length === 1 ? 'it' : 'them'}.`;
  const [only, ...others] = new Set(enabled.map(({ fix }) => fix));
  return remedy === 'login' && only !== undefined && others.length === 0 ? only : FIXES[remedy];
}

/** The one that is back or tried again first; null when no end is known. */
export function earliest(keys: readonly KeyOut[]): KeyOut | null {
  let found: KeyOut | null = null;
  for (const key of keys) if (key.until !== null && (found?.until == null || key.until < found.until)) found = key;
  return found;
}

function stateOf(all: readonly KeyOut[], enabled: readonly KeyOut[]): string {
  const counted = enabled.length === 0 ? all : enabled;
  const [{ reason }] = counted as [KeyOut];
  const phrase = PHRASES[reason];
  const isSame = counted.every((key) => PHRASES[key.reason].short === phrase.short);
  if (!isSame) {
    const none = all.length === 2 ? 'Neither Kimi key' : `None of the ${all.length} Kimi keys`;
    return `${none} can serve: ${countsOf(all)}.`;
  }
  const enabledWord = counted.length < all.length ? 'enabled ' : '';
  if (counted.length === 1) return `The only ${enabledWord}Kimi key ${phrase.one}.`;
  return `${counted.length === 2 ? 'Both' : `All ${counted.length}`} ${enabledWord}Kimi keys ${phrase.many}.`;
}

/** "2 used up, 1 refused": the most frequent first. */
function countsOf(keys: readonly KeyOut[]): string {
  const counts = new Map<string, number>();
  for (const { reason } of keys) counts.set(PHRASES[reason].short, (counts.get(PHRASES[reason].short) ?? 0) + 1);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([short, count]) => `${count} ${short}`)
    .join(', ');
}

function remedyOf(enabled: readonly KeyOut[]): Remedy {
  if (enabled.length === 0) return 'enable';
  if (enabled.every(({ reason }) => reason === 'login_expired')) return 'login';
  if (enabled.every(({ reason }) => NEEDS_PERSON.has(reason))) return 'doctor';
  return enabled.every(({ reason }) => reason === 'no_usage') ? 'usage' : 'wait';
}

const FIXES: Readonly<Record<Exclude<Remedy, 'wait'>, string>> = {
  doctor: '`kmi doctor` says what to do.',
  login: '`kmi status` says for each how to log in again.',
  enable: 'Enable one with `kmi keys enable`.',
  usage: '`kmi health` asks for it; KMI_REQUIRE_USAGE_BEFORE_REQUEST=0 does without.',
};
