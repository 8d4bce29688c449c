/** The wait before retry `attempt` (0 for the first): `baseMs`, doubling, at most 30 s. */
export function backoffMs(attempt: number, baseMs: number): number {
  return Math.min(baseMs * 2 ** Math.min(attempt, 20), 30_000);
}

const LONGEST_MS = 366 * 86_400_000;

/** `Retry-After` in ms, at least 1 s: whole seconds or an HTTP date (RFC 9110 section 10.2.3); null when it is neither. */
export function parseRetryAfter(value: string | undefined, now: number): number | null {
  const text = value?.trim().slice(0, 64) ?? '';
  if (/^\d+(?:\.\d*)?$/.test(text)) return clamp(Number(text) * 1000);
  // Date.parse takes many shapes; an HTTP date starts with the name of a day.
  if (!/^[A-Za-z]{3,9},? /.test(text)) return null;
  // The oldest of the three forms names no zone; all of them are UTC.
  const date = Date.parse(/(?:GMT|UTC|Z|[+-]\d{4})$/i.test(text) ? text : `${text} GMT`);
  return Number.isNaN(date) ? null : clamp(date - now);
}

function clamp(ms: number): number {
  return Math.min(Math.max(Math.ceil(ms), 1000), LONGEST_MS);
}
