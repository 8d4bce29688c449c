import { offsetMinutes, type Zone, zonedStamp } from '../core/text/zoned-time.ts';

const DAY_MS = 86_400_000;
const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: DAY_MS, w: 7 * DAY_MS };

/** Days that have a name: how many days before today they began. `day` is today as a date in UTC. */
const NAMED_DAYS: Readonly<Record<string, (day: Date) => number>> = {
  today: () => 0,
  yesterday: () => 1,
  week: (day) => (day.getUTCDay() + 6) % 7,
  month: (day) => day.getUTCDate() - 1,
};

/** The words that `--since` takes; `week` began on Monday. */
const SINCE_WORDS: readonly string[] = Object.keys(NAMED_DAYS);

/** What `--since` takes, in words. */
export const SINCE_ACCEPTS = `${SINCE_WORDS.join(', ')}, a span such as 10m, 12h or 30d, or a time such as 2026-02-02 or 2026-02-02T12:00`;

/**
 * Epoch ms of a `--since` value: that long before `now`, the beginning of a day with a name, or an ISO time; days and times without a
 * zone are in `zone`. Null: none of these.
 */
export function parseSince(value: string, now: number, zone: Zone): number | null {
  const text = value.trim().toLowerCase();
  const span = /^(\d{1,9})([smhdw])$/.exec(text);
  if (span !== null) return now - Number(span[1]) * (UNIT_MS[span[2] as string] as number);
  const daysBack = Object.hasOwn(NAMED_DAYS, text) ? NAMED_DAYS[text] : undefined;
  if (daysBack === undefined) return parseTime(value, zone);
  const today = new Date(`${zonedStamp(now, zone).slice(0, 10)}T00:00:00Z`);
  return parseTime(new Date(today.getTime() - daysBack(today) * DAY_MS).toISOString().slice(0, 10), zone);
}

const TIME = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?\s?(Z|[+-]\d\d(?::?\d\d)?)?$/i;

/**
 * Epoch ms of "2026-02-02 12:00:00 +0300", the `ts` of log lines, and of ISO 8601 times; one without an offset is in
 * `zone`. Null for anything else, impossible dates included.
 */
export function parseTime(value: string, zone: Zone): number | null {
  const match = TIME.exec(value.trim());
  if (match === null) return null;
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '0', offset] = match;
  const [y, mo, d, h, mi, s] = [year, month, day, hour, minute, second].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const wall = Date.UTC(y, mo - 1, d, h, mi, s) + Math.floor(Number(`0.${fraction}`) * 1000);
  if (h > 23 || mi > 59 || s > 59 || new Date(wall).getUTCDate() !== d || new Date(wall).getUTCMonth() !== mo - 1) return null;
  if (offset !== undefined) return wall - parseOffset(offset) * 60_000;
  // The offset in force is that of the instant, which is found from a first guess: they differ only around a change.
  const guess = wall - offsetMinutes(wall, zone) * 60_000;
  return wall - offsetMinutes(guess, zone) * 60_000;
}

function parseOffset(text: string): number {
  if (text.toUpperCase() === 'Z') return 0;
  const minutes = Number(text.slice(1, 3)) * 60 + Number(text.slice(3).replace(':', '') || 0);
  return text.startsWith('-') ? -minutes : minutes;
}

/**
 * Lets lines through from an instant on, by the time they bear; a line without one, such as a stack trace, goes with the
 * line before it. Lines before the first that has a time are let through.
 */
export function sinceFilter(since: number | null, zone: Zone): (line: string) => boolean {
  if (since === null) return () => true;
  let open = true;
  return (line) => {
    const at = timeOfLine(line, zone);
    if (at !== null) open = at >= Math.floor(since / 1000) * 1000;
    return open;
  };
}

/** "2026-02-02 12:00:00 +0300" */
const STAMP_LENGTH = 25;

/** Epoch ms of a JSON line's `ts`, or of the stamp another line begins with; null when there is neither. */
export function timeOfLine(line: string, zone: Zone): number | null {
  if (/^\d/.test(line)) return parseTime(line.slice(0, STAMP_LENGTH), zone);
  if (!line.startsWith('{')) return null;
  try {
    const { ts } = JSON.parse(line) as { ts?: unknown };
    return typeof ts === 'string' ? parseTime(ts, zone) : null;
  } catch {
    return null;
  }
}
