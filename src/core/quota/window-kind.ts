import { fieldOf, type JsonRecord, numberOf, recordOf } from '../json/json-value.ts';
import { oneLine } from '../text/one-line.ts';

/** Which window a record speaks of. Views of one account are matched by `kind`. */
export type WindowKind = {
  /** `5h`, `7d`, `month`, another length, or a name; null when the record does not say. */
  readonly kind: string | null;
  /** The upstream's own name for it. */
  readonly name: string | null;
  /** "5h limit"; null when no length is known. */
  readonly lengthLabel: string | null;
  readonly durationMs: number | null;
};

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const UNITS: Readonly<Record<string, number>> = {
  second: 1000,
  s: 1000,
  minute: 60_000,
  m: 60_000,
  hour: HOUR_MS,
  h: HOUR_MS,
  day: DAY_MS,
  d: DAY_MS,
  week: 7 * DAY_MS,
};
const NAME_CHARS = 60;

export const FIVE_HOURS = spanKind(5 * HOUR_MS);
export const WEEK = spanKind(7 * DAY_MS);
/** Months differ in length, so this one has none of its own. */
const MONTH: WindowKind = { kind: 'month', name: null, lengthLabel: 'month limit', durationMs: null };

/**
 * From `window` (or the fields beside it) and the name of an element of `limits[]` and its `detail`
 * (docs/kimi-api.md#usages).
 */
export function kindOfLimit(item: JsonRecord, detail: JsonRecord): WindowKind {
  const name = nameOf(item) ?? nameOf(detail);
  const span = spanOf(recordOf(fieldOf(item, 'window')) ?? recordOf(fieldOf(detail, 'window')) ?? item);
  if (span !== null) return { ...span, name };
  return { ...(name === null ? UNSAID : kindOfName(name)), name };
}

const MONTH_FIELD = /^limit_?month(?:_?total)?$/i;
const SPAN_FIELD = /^limit_?(\d{1,4})([mhd])$/i;
const WORD_FIELD = /^limit_?(day|week)$/i;

/**
 * From a field name of `usages`; null for names that are no window of their own, as `limit_month_code`
 * (docs/kimi-api.md#usages).
 */
export function kindOfField(field: string): WindowKind | null {
  if (MONTH_FIELD.test(field)) return MONTH;
  const word = WORD_FIELD.exec(field)?.[1];
  const [, amount = '1', letter = word] = SPAN_FIELD.exec(field) ?? [];
  return letter === undefined ? null : spanOfUnit(Number(amount), letter);
}

const UNSAID: WindowKind = { kind: null, name: null, lengthLabel: null, durationMs: null };

function nameOf(record: JsonRecord): string | null {
  const value = fieldOf(record, 'name', 'title', 'scope');
  return typeof value === 'string' ? oneLine(value, NAME_CHARS) || null : null;
}

function kindOfName(name: string): WindowKind {
  if (/\b5[ -]?h/i.test(name)) return FIVE_HOURS;
  if (/\bweek|\b7[ -]?d/i.test(name)) return WEEK;
  if (/\bmonth/i.test(name)) return MONTH;
  return { ...UNSAID, kind: `name ${name}` };
}

function spanOf(window: JsonRecord): WindowKind | null {
  const duration = numberOf(fieldOf(window, 'duration'));
  const unit = fieldOf(window, 'timeUnit', 'time_unit', 'unit');
  if (duration === null || typeof unit !== 'string') return null;
  return spanOfUnit(duration, oneLine(unit, 30));
}

function spanOfUnit(duration: number, unitName: string): WindowKind | null {
  const unit = unitName.toLowerCase().replace(/^time_unit_/, '');
  const singular = unit.length > 1 ? unit.replace(/s$/, '') : unit;
  if (singular === 'month' && duration === 1) return MONTH;
  const unitMs = Object.hasOwn(UNITS, singular) ? UNITS[singular] : undefined;
  const durationMs = unitMs === undefined ? 0 : Math.round(duration * unitMs);
  return durationMs > 0 && durationMs < 1e15 ? spanKind(durationMs) : null;
}

function spanKind(durationMs: number): WindowKind {
  const length = lengthOf(durationMs);
  const isMonth = durationMs >= 28 * DAY_MS && durationMs <= 31 * DAY_MS;
  return { kind: isMonth ? 'month' : length, name: null, lengthLabel: `${length} limit`, durationMs };
}

function lengthOf(durationMs: number): string {
  if (durationMs % DAY_MS === 0) return `${durationMs / DAY_MS}d`;
  if (durationMs % HOUR_MS === 0) return `${durationMs / HOUR_MS}h`;
  return durationMs % 60_000 === 0 ? `${durationMs / 60_000}m` : `${durationMs / 1000}s`;
}
