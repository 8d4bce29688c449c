import { fieldOf, type JsonRecord, numberOf, recordOf } from '../core/json/json-value.ts';
import type { Key } from '../core/keys/key.ts';
import { type KeyHealth, LONGEST_WINDOW_MS } from '../core/quota/key-health.ts';
import type { QuotaWindow, Usage } from '../core/quota/quota.ts';
import { oneLine } from '../core/text/one-line.ts';
import { preciseTime, toTime } from './schema.ts';

/** Readings by `readingId`. */
export type QuotaReadings = ReadonlyMap<string, KeyHealth>;

const SCHEMA_VERSION = 1;
const WINDOWS_MAX = 20;
const TEXT_CHARS = 80;
/** Clocks of two processes are the same clock; this much may pass between two looks at it. */
const FUTURE_MS = 60_000;

/** The credential, not its label: a renamed key keeps its reading, and another key under the same label has none. */
export function readingId({ hash, baseUrl }: Pick<Key, 'hash' | 'baseUrl'>): string {
  return `${hash} ${baseUrl}`;
}

/** Whether a reading is worth keeping: every window has ended after a month, and one from the future is from before a clock jump. */
export function isKept({ fetchedAt }: KeyHealth, now: number): boolean {
  return fetchedAt <= now + FUTURE_MS && now - fetchedAt <= LONGEST_WINDOW_MS;
}

/** The readings of the file's text; `damaged` when it is none of ours, `newer` when a later version wrote it. Entries that are not usable are left out. */
export function parseReadings(text: string): QuotaReadings | 'damaged' | 'newer' {
  const raw = parseRecord(text);
  const version = numberOf(fieldOf(raw, 'schema_version'));
  if (version !== null && version > SCHEMA_VERSION) return 'newer';
  const entries = fieldOf(raw, 'readings');
  if (version !== SCHEMA_VERSION || !Array.isArray(entries)) return 'damaged';
  const readings = new Map<string, KeyHealth>();
  for (const each of entries) {
    const entry = recordOf(each);
    const hash = fieldOf(entry, 'key_hash');
    const baseUrl = fieldOf(entry, 'base_url');
    const health = parseReading(entry);
    if (typeof hash === 'string' && typeof baseUrl === 'string' && health !== null) readings.set(`${hash} ${baseUrl}`, health);
  }
  return readings;
}

function parseRecord(text: string): JsonRecord | null {
  try {
    return recordOf(JSON.parse(text));
  } catch {
    return null;
  }
}

function parseReading(entry: JsonRecord | null): KeyHealth | null {
  const fetchedAt = toTime(fieldOf(entry, 'fetched_at'));
  const askedAt = toTime(fieldOf(entry, 'asked_at'));
  const windows = fieldOf(entry, 'windows');
  if (fetchedAt === null || !Array.isArray(windows)) return null;
  const usage: Usage = {
    windows: windows.slice(0, WINDOWS_MAX).flatMap((each) => parseWindow(recordOf(each)) ?? []),
    remainingShare: shareOf(fieldOf(entry, 'remaining_share')),
    walletCents: numberOf(fieldOf(entry, 'wallet_cents')),
    parallelLimit: atLeast(1, fieldOf(entry, 'parallel_limit')),
    plan: textOf(fieldOf(entry, 'plan')),
  };
  return { usage, error: null, fetchedAt, ...(askedAt === null ? {} : { askedAt }) };
}

function parseWindow(raw: JsonRecord | null): QuotaWindow | null {
  const label = textOf(fieldOf(raw, 'label'));
  if (label === null) return null;
  return {
    label,
    remainingShare: shareOf(fieldOf(raw, 'remaining_share')),
    used: atLeast(0, fieldOf(raw, 'used')),
    limit: atLeast(0, fieldOf(raw, 'limit')),
    resetsAt: toTime(fieldOf(raw, 'resets_at')),
    resetHint: textOf(fieldOf(raw, 'reset_hint')),
    durationMs: atLeast(1, fieldOf(raw, 'duration_ms')),
  };
}

/** Safe for a terminal, whatever the file holds. */
function textOf(value: unknown): string | null {
  return typeof value === 'string' ? oneLine(value, TEXT_CHARS) || null : null;
}

function shareOf(value: unknown): number | null {
  const share = numberOf(value);
  return share === null || share < 0 || share > 1 ? null : share;
}

function atLeast(least: number, value: unknown): number | null {
  const number = numberOf(value);
  return number === null || number < least ? null : number;
}

/** The file's text, a line a key. */
export function renderReadings(readings: QuotaReadings): string {
  const lines = [...readings].map(([id, health]) => JSON.stringify(entryOf(id, health)));
  return `{"schema_version":${SCHEMA_VERSION},"readings":[\n${lines.join(',\n')}\n]}\n`;
}

function entryOf(id: string, { usage, fetchedAt, askedAt }: KeyHealth): object {
  const [hash, baseUrl] = id.split(' ');
  return {
    key_hash: hash,
    base_url: baseUrl,
    fetched_at: preciseTime(fetchedAt),
    asked_at: askedAt === undefined ? undefined : preciseTime(askedAt),
    remaining_share: usage?.remainingShare,
    windows: (usage?.windows ?? []).map((window) => ({
      label: window.label,
      remaining_share: window.remainingShare,
      used: window.used,
      limit: window.limit,
      resets_at: window.resetsAt === null ? null : preciseTime(window.resetsAt),
      reset_hint: window.resetHint,
      duration_ms: window.durationMs,
    })),
    wallet_cents: usage?.walletCents,
    parallel_limit: usage?.parallelLimit,
    plan: usage?.plan,
  };
}
