import { fieldOf, type JsonRecord, numberOf, recordOf } from '../json/json-value.ts';
import { oneLine } from '../text/one-line.ts';
import type { QuotaWindow, Usage } from './quota.ts';
import { lower, type QuotaReading, readQuota } from './quota-reading.ts';
import { type Reset, resetOf } from './reset-time.ts';
import { FIVE_HOURS, kindOfField, kindOfLimit, WEEK, type WindowKind } from './window-kind.ts';

/** One view of one window. The answer may hold several of the same window, and they may contradict each other. */
type View = { readonly window: WindowKind; readonly reading: QuotaReading; readonly reset: Reset };

const MAX_WINDOWS = 50;
const PLAN_CHARS = 60;
/** The wallet counts in 10⁻⁸ of its currency unit (docs/kimi-api.md#wallet). */
const RAW_PER_CENT = 1e6;

/**
 * Reads the answer of `GET /usages` in any of its shapes (docs/kimi-api.md#usages, docs/kmi-manager.md#reading-quota),
 * also inside `data`. Of several views of one window the most used one wins. null when the value is no usage answer at
 * all. Never throws.
 */
export function parseUsage(payload: unknown, now: number): Usage | null {
  const outer = recordOf(payload);
  if (outer === null) return null;
  const inner = recordOf(fieldOf(outer, 'data'));
  const at = (...names: string[]): unknown => fieldOf(outer, ...names) ?? fieldOf(inner, ...names);

  const usage = recordOf(at('usage'));
  const usages = recordOf(at('usages'));
  const limits = at('limits');
  const views = [...viewsOfPools(usages, now), ...viewsOfLimits(limits, usages, now), ...viewsOfWeek(usage, now)];
  const account = viewOfAccount(outer, views, now) ?? (inner === null ? null : viewOfAccount(inner, views, now));
  if (account !== null) views.push(account);

  const walletCents = walletOf(recordOf(at('boosterWallet', 'booster_wallet')));
  const parallelLimit = parallelOf(recordOf(at('parallel')));
  const plan = planOf(recordOf(at('user')), at('subType', 'sub_type'));
  const answered = usage !== null || usages !== null || Array.isArray(limits) || views.length > 0;
  if (!answered && walletCents === null && parallelLimit === null && plan === null) return null;

  const windows = mergeViews(views);
  const remainingShare = windows.reduce<number | null>((least, window) => lower(least, window.remainingShare), null);
  return { windows, remainingShare, walletCents, parallelLimit, plan };
}

function viewsOfPools(usages: JsonRecord | null, now: number): View[] {
  const views: View[] = [];
  for (const field of usages === null ? [] : Object.keys(usages)) {
    if (views.length === MAX_WINDOWS) break;
    const record = recordOf(fieldOf(usages, field));
    const window = record === null ? null : kindOfField(field);
    if (record !== null && window !== null) views.push(viewOf(window, record, now));
  }
  return views;
}

function viewsOfLimits(limits: unknown, usages: JsonRecord | null, now: number): View[] {
  const views: View[] = [];
  for (const [index, value] of (Array.isArray(limits) ? limits.slice(0, MAX_WINDOWS) : []).entries()) {
    const item = recordOf(value);
    if (item === null) continue;
    const detail = recordOf(fieldOf(item, 'detail')) ?? item;
    const said = kindOfLimit(item, detail);
    views.push(viewOf(said.kind === null ? silentWindow(index, usages) : said, detail, now));
  }
  return views;
}

/** The first of `limits[]` is the 5-hour window; `usages.limit_5h` borrows its reset time (docs/kimi-api.md#usages). */
function silentWindow(index: number, usages: JsonRecord | null): WindowKind {
  if (index === 0 && fieldOf(usages, 'limit_5h', 'limit5h') !== undefined) return FIVE_HOURS;
  return { kind: `limit ${index + 1}`, name: `limit ${index + 1}`, lengthLabel: null, durationMs: null };
}

function viewsOfWeek(usage: JsonRecord | null, now: number): View[] {
  if (usage === null || Object.keys(usage).length === 0) return [];
  const said = kindOfLimit(usage, usage);
  return [viewOf(said.durationMs === null ? { ...WEEK, name: said.name } : said, usage, now)];
}

/** Numbers beside the windows count as a window of their own; a bare percent only where no window has counts. */
function viewOfAccount(record: JsonRecord, others: readonly View[], now: number): View | null {
  const view = viewOf({ kind: 'quota', name: 'quota', lengthLabel: null, durationMs: null }, record, now);
  if (view.reading.share === null) return null;
  return view.reading.limit !== null || !others.some(isCounted) ? view : null;
}

function viewOf(window: WindowKind, record: JsonRecord, now: number): View {
  return { window, reading: readQuota(record), reset: resetOf(record, now) };
}

function isCounted(view: View): boolean {
  return view.reading.limit !== null && view.reading.share !== null;
}

function mergeViews(views: readonly View[]): QuotaWindow[] {
  const byKind = new Map<string, [View, ...View[]]>();
  for (const view of views) {
    const kind = view.window.kind ?? '';
    const others = byKind.get(kind);
    if (others === undefined) byKind.set(kind, [view]);
    else others.push(view);
  }
  return [...byKind.values()]
    .map(mergeWindow)
    .slice(0, MAX_WINDOWS)
    .sort((a, b) => (a.durationMs ?? Number.MAX_VALUE) - (b.durationMs ?? Number.MAX_VALUE));
}

function mergeWindow(views: readonly [View, ...View[]]): QuotaWindow {
  const worst = views.reduce((a, b) => (isWorse(b, a) ? b : a));
  const named = views.find((view) => view.window.name !== null);
  const timed = worst.reset.at !== null ? worst : views.find((view) => view.reset.at !== null);
  const reset = timed?.reset ?? views.find((view) => view.reset.hint !== null)?.reset;
  return {
    label: named?.window.name ?? worst.window.lengthLabel ?? 'limit',
    remainingShare: worst.reading.share,
    used: worst.reading.used,
    limit: worst.reading.limit,
    resetsAt: reset?.at ?? null,
    resetHint: reset?.hint ?? null,
    durationMs: views.find((view) => view.window.durationMs !== null)?.window.durationMs ?? null,
  };
}

/** Known before unknown, then more used, then (equal but for rounding) the one with counts. */
function isWorse(a: View, b: View): boolean {
  if (a.reading.share === null) return false;
  if (b.reading.share === null) return true;
  if (Math.abs(a.reading.share - b.reading.share) > 1e-9) return a.reading.share < b.reading.share;
  return isCounted(a) && !isCounted(b);
}

/** Whole cents. A wallet that states an amount but nothing left has nothing left: zeros are left out of the answer. */
function walletOf(wallet: JsonRecord | null): number | null {
  const balance = recordOf(fieldOf(wallet, 'balance')) ?? wallet;
  const left = numberOf(fieldOf(balance, 'amountLeft', 'amount_left'));
  if (left !== null) return Math.max(0, Math.floor(left / RAW_PER_CENT));
  return numberOf(fieldOf(balance, 'amount')) === null ? null : 0;
}

function parallelOf(parallel: JsonRecord | null): number | null {
  const limit = numberOf(fieldOf(parallel, 'limit'));
  return limit !== null && limit >= 1 ? Math.floor(limit) : null;
}

function planOf(user: JsonRecord | null, subType: unknown): string | null {
  const level = fieldOf(recordOf(fieldOf(user, 'membership')), 'level');
  for (const value of [level, subType]) {
    const plan = typeof value === 'string' ? oneLine(value, PLAN_CHARS) : '';
    if (plan !== '') return plan;
  }
  return null;
}
