/** A zone as the setting gives it: `local`, `UTC`, `+03:00`, or an IANA name. */
export type Zone = string;

/** Minutes east of UTC at the instant. */
export function offsetMinutes(epochMs: number, zone: Zone): number {
  if (zone === 'UTC') return 0;
  const fixed = /^([+-])(\d\d):(\d\d)$/.exec(zone);
  if (fixed !== null) return (fixed[1] === '-' ? -1 : 1) * (Number(fixed[2]) * 60 + Number(fixed[3]));
  if (zone === 'local') return -new Date(epochMs).getTimezoneOffset();
  return offsetOfNamedZone(epochMs, zone);
}

const formatters = new Map<string, Intl.DateTimeFormat>();

function offsetOfNamedZone(epochMs: number, zone: string): number {
  let formatter = formatters.get(zone);
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' });
    formatters.set(zone, formatter);
  }
  const name = formatter.formatToParts(epochMs).find(({ type }) => type === 'timeZoneName')?.value ?? 'GMT';
  const match = /([+-])(\d\d):(\d\d)/.exec(name);
  return match === null ? 0 : (match[1] === '-' ? -1 : 1) * (Number(match[2]) * 60 + Number(match[3]));
}

/** "2026-02-02 12:00:00 +0300", the form of the trace (docs/kmi-manager.md#trace). */
export function zonedStamp(epochMs: number, zone: Zone): string {
  const offset = offsetMinutes(epochMs, zone);
  const shifted = new Date(epochMs + offset * 60_000).toISOString();
  const size = Math.abs(offset);
  const sign = offset < 0 ? '-' : '+';
  return `${shifted.slice(0, 10)} ${shifted.slice(11, 19)} ${sign}${pad(Math.floor(size / 60))}${pad(size % 60)}`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}

/** `zonedStamp` for a stream of instants: recomputed only when the second changes. */
export function stampPerSecond(zone: Zone): (epochMs: number) => string {
  let second = Number.NaN;
  let stamp = '';
  return (epochMs) => {
    const now = Math.floor(epochMs / 1000);
    if (now !== second) {
      second = now;
      stamp = zonedStamp(epochMs, zone);
    }
    return stamp;
  };
}
