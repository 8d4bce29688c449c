import { type Candidate, eligibilityOf } from '../../../core/choosing/eligibility.ts';
import type { Eligibility } from '../../../core/keys/key-status.ts';
import { quotaReturnsAt } from '../../../core/quota/key-health.ts';
import { clockText } from '../../../core/text/duration.ts';
import type { Zone } from '../../../core/text/zoned-time.ts';
import { cutToWidth } from '../../ui/width.ts';
import { counted, ENGLISH_KEYS } from '../../words/key-words.ts';

export type Verdict = { readonly level: 'good' | 'warn' | 'bad'; readonly text: string };

/** The sentence matters more than the end of a long label. */
const LABEL_MAX = 24;

type Standing = { readonly label: string; readonly eligibility: Eligibility; readonly until: number | null };

/** Whether work can go on, in one sentence: how many accounts can serve, and which is the next to come back. */
export function verdictOf(candidates: readonly Candidate[], now: number, zone: Zone): Verdict {
  if (candidates.length === 0) return { level: 'bad', text: 'There are no keys; `kmi login` or `kmi keys add` adds one' };
  const enabled = candidates.filter(({ key }) => !key.disabled);
  if (enabled.length === 0) {
    const text = candidates.length === 1 ? 'The only key is disabled' : `${allOf(candidates.length, 'key')} are disabled`;
    return { level: 'bad', text: `${text}; \`kmi keys enable\` enables keys` };
  }
  const isAccount = enabled.some(({ state }) => state.account !== null);
  const accounts = byAccount(enabled, now);
  const serving = accounts.filter(({ eligibility }) => eligibility.is === 'ready').length;
  const total = accounts.length;
  const unit = isAccount ? 'account' : 'key';
  if (serving === total) {
    return { level: 'good', text: total === 1 ? `${accounts[0]?.label} can serve` : `${allOf(total, unit)} can serve` };
  }
  const next = returnText(accounts, now, zone);
  if (serving > 0) return { level: 'warn', text: `${serving} of ${counted(total, unit)} can serve; ${next}` };
  const reserve = accounts.find(({ eligibility }) => eligibility.is === 'reserve');
  if (reserve !== undefined)
    return { level: 'warn', text: `No ${unit} is ready; requests are still tried with ${reserve.label}` };
  return { level: 'bad', text: `No ${unit} can serve; ${next}` };
}

/** Of two or more. */
function allOf(count: number, unit: string): string {
  return count === 2 ? `Both ${unit}s` : `All ${counted(count, unit)}`;
}

/** Each account by its best key: one that is ready, else the one that is back first. */
function byAccount(enabled: readonly Candidate[], now: number): readonly Standing[] {
  const best = new Map<string, Standing>();
  for (const candidate of enabled) {
    const { label } = candidate.key;
    const account = candidate.state.account?.id ?? `key ${label}`;
    const eligibility = eligibilityOf(candidate, now);
    const standing = { label, eligibility, until: returnOf(candidate, eligibility) };
    const known = best.get(account);
    if (known === undefined || isBetter(standing, known)) best.set(account, standing);
  }
  return [...best.values()];
}

function returnOf({ health }: Candidate, eligibility: Eligibility): number | null {
  if (eligibility.is === 'ready') return null;
  return eligibility.reason === 'empty' && health !== null ? quotaReturnsAt(health) : eligibility.until;
}

const RANK: Readonly<Record<Eligibility['is'], number>> = { ready: 0, reserve: 1, out: 2 };

function isBetter(a: Standing, b: Standing): boolean {
  if (a.eligibility.is !== b.eligibility.is) return RANK[a.eligibility.is] < RANK[b.eligibility.is];
  return (a.until ?? Number.POSITIVE_INFINITY) < (b.until ?? Number.POSITIVE_INFINITY);
}

/** "work is back at 20:08"; when no return is known, what is wrong with the first account. */
function returnText(accounts: readonly Standing[], now: number, zone: Zone): string {
  const out = accounts.filter(({ eligibility }) => eligibility.is !== 'ready');
  const first = out.reduce((a, b) => (isSooner(b, a) ? b : a));
  const { eligibility, until } = first;
  const label = cutToWidth(first.label, LABEL_MAX, '...');
  if (eligibility.is === 'ready') return '';
  if (until === null) return `${label}: ${ENGLISH_KEYS.reason(eligibility.reason)}`;
  const isBlock = eligibility.is === 'out' && BLOCKS.has(eligibility.reason);
  return `${label} is ${isBlock ? 'tried again' : 'back'} at ${clockText(until, now, zone)}`;
}

const BLOCKS: ReadonlySet<string> = new Set(['auth', 'payment_required', 'banned', 'blocked']);

function isSooner(a: Standing, b: Standing): boolean {
  return (a.until ?? Number.POSITIVE_INFINITY) < (b.until ?? Number.POSITIVE_INFINITY);
}
