import { fieldOf, type JsonRecord, numberOf } from '../json/json-value.ts';

/** What one record says of one quota. */
export type QuotaReading = {
  /** Share left, 0 to 1; null when the record does not say. */
  readonly share: number | null;
  readonly used: number | null;
  /** Greater than 0; null when the record counts nothing. */
  readonly limit: number | null;
};

/** A stated percent may differ from the counted one by rounding: one point (docs/kmi-manager.md#reading-quota). */
const ROUNDING = 0.01 + 1e-9;
const UNKNOWN: QuotaReading = { share: null, used: null, limit: null };

/**
 * Reads `limit`/`total`, `used`, `remaining`, `remaining_percent` and `used_ratio`, numbers or decimal strings; of
 * `used` and `remaining` one may be missing (docs/kimi-api.md#usages). A limit of 0 makes the whole record unknown, a stated
 * percent gives way to the counts when it is off, and of counts and ratio the one that says "more used" wins.
 */
export function readQuota(record: JsonRecord): QuotaReading {
  const limit = numberOf(fieldOf(record, 'limit', 'total'));
  if (limit !== null && limit <= 0) return UNKNOWN;
  const counted = limit === null ? UNKNOWN : count(limit, numberOf(fieldOf(record, 'used')), remainingOf(record));
  const percent = numberOf(fieldOf(record, 'remaining_percent', 'remainingPercent'));
  const stated = percent === null ? null : unit(percent / 100);
  const ratio = numberOf(fieldOf(record, 'used_ratio', 'usedRatio'));
  const left = ratio === null ? null : unit(1 - ratio);
  return { ...counted, share: lower(reconcile(counted.share, stated), left) };
}

/** The lower of two shares, null being unknown. */
export function lower(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}

function remainingOf(record: JsonRecord): number | null {
  return numberOf(fieldOf(record, 'remaining'));
}

function count(limit: number, used: number | null, remaining: number | null): QuotaReading {
  const derived = remaining === null ? null : limit - remaining;
  if (used === null && derived === null) return { share: null, used: null, limit };
  const most = Math.max(0, used ?? 0, derived ?? 0);
  return { share: unit((limit - most) / limit), used: most, limit };
}

function reconcile(counted: number | null, stated: number | null): number | null {
  if (counted === null || stated === null) return counted ?? stated;
  return Math.abs(counted - stated) <= ROUNDING ? stated : counted;
}

function unit(share: number): number {
  return Math.min(1, Math.max(0, share));
}
