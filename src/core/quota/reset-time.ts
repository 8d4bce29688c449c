import { fieldOf, type JsonRecord, numberOf } from '../json/json-value.ts';
import { oneLine } from '../text/one-line.ts';

export type Reset = {
  /** Epoch ms. */
  readonly at: number | null;
  /** The upstream's words, when it gives words or a span in place of a time. */
  readonly hint: string | null;
};

const TIME_FIELDS = ['reset_at', 'resetAt', 'reset_time', 'resetTime'];
const SPAN_FIELDS = ['reset_in', 'resetIn', 'ttl', 'window'];
const LATEST_MS = 8.64e15;
const HINT_CHARS = 60;

/**
 * When a quota record resets: a point in time, else seconds from `now`, else the words it has
 * (docs/kmi-manager.md#reading-quota).
 */
export function resetOf(record: JsonRecord, now: number): Reset {
  let words: string | null = null;
  for (const name of TIME_FIELDS) {
    const value = fieldOf(record, name);
    const at = parseInstant(value);
    if (at !== null) return { at, hint: null };
    if (typeof value === 'string' && !isTimeLike(value)) words ??= oneLine(value, HINT_CHARS) || null;
  }
  for (const name of SPAN_FIELDS) {
    const seconds = numberOf(fieldOf(record, name));
    if (seconds === null || seconds < 0) continue;
    const at = Math.round(now + seconds * 1000);
    if (at <= LATEST_MS) return { at, hint: words ?? `resets in ${seconds}s` };
  }
  return { at: null, hint: words };
}

const ISO = /^(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}(?::\d{2})?)(?:[.,](\d{1,12}))?\s?([Zz]|[+-]\d{2}:?\d{2})?)?$/;

/**
 * Epoch ms of an ISO 8601 time with any number of fraction digits (UTC when it names no zone), or of an epoch number
 * in seconds, ms, µs or ns, told apart by size. null for all else and for times at or before 1970, which stand for "none".
 */
function parseInstant(value: unknown): number | null {
  const number = numberOf(value);
  const ms = number !== null ? epochMs(number) : typeof value === 'string' && value.length <= 64 ? isoMs(value.trim()) : null;
  return ms !== null && ms > 0 && ms <= LATEST_MS ? ms : null;
}

function isTimeLike(text: string): boolean {
  return numberOf(text) !== null || (text.length <= 64 && ISO.test(text.trim()));
}

/** 1e9 s is 2001 and 1e11 s the year 5138, so the four units do not overlap within any plausible date. */
function epochMs(value: number): number | null {
  if (value < 1e9) return null;
  if (value < 1e11) return Math.round(value * 1e3);
  if (value < 1e14) return Math.round(value);
  if (value < 1e17) return Math.round(value / 1e3);
  return Math.round(value / 1e6);
}

function isoMs(text: string): number | null {
  const match = ISO.exec(text);
  if (match === null) return null;
  const [, date, time = '00:00:00', fraction = '', zone = 'Z'] = match;
  const seconds = time.length === 5 ? `${time}:00` : time;
  const offset = zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone.toUpperCase();
  const ms = Date.parse(`${date}T${seconds}.${fraction.slice(0, 3).padEnd(3, '0')}${offset}`);
  return Number.isNaN(ms) ? null : ms;
}
