import { type Zone, zonedStamp } from './zoned-time.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How a language says spans and days. */
export type TimeWords = {
  readonly day: string;
  readonly hour: string;
  readonly minute: string;
  readonly second: string;
  readonly now: string;
  /** Before a span that is still to pass. */
  readonly in: string;
  readonly months: readonly string[];
};

export const ENGLISH: TimeWords = {
  day: 'd',
  hour: 'h',
  minute: 'min',
  second: 's',
  now: 'now',
  in: 'in',
  months: ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'],
};

/**
 * A span of ms in at most two units: "45 s", "12 min", "2 h 10 min", "3 d 4 h". Rounded up to the smaller unit by
 * default, so that a wait is never shown shorter than it is.
 */
export function durationText(ms: number, round: 'up' | 'down' = 'up', words: TimeWords = ENGLISH): string {
  const whole = round === 'up' ? Math.ceil : Math.floor;
  const seconds = whole(Math.max(0, ms) / SECOND);
  if (seconds < 60) return `${seconds} ${words.second}`;
  const minutes = whole((seconds * SECOND) / MINUTE);
  if (minutes < 60) return `${minutes} ${words.minute}`;
  if (minutes < 24 * 60) return twoUnits(Math.floor(minutes / 60), words.hour, minutes % 60, words.minute);
  const hours = whole((minutes * MINUTE) / HOUR);
  return twoUnits(Math.floor(hours / 24), words.day, hours % 24, words.hour);
}

function twoUnits(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

/** "in 2 h 10 min"; "now" when the instant has come. Both epoch ms. */
export function untilText(at: number, now: number, words: TimeWords = ENGLISH): string {
  return at <= now ? words.now : `${words.in} ${durationText(at - now, 'up', words)}`;
}

/** "3 min ago"; "just now" for less than five seconds, and for an instant that is still to come. Both epoch ms. */
export function agoText(at: number, now: number): string {
  return now - at < 5 * SECOND ? 'just now' : `${durationText(now - at, 'down')} ago`;
}

/** The clock in `zone`: "14:30" today, "24 Nov 14:30" on another day, "24 Nov 2027" half a year or more away. Epoch ms. */
export function clockText(at: number, now: number, zone: Zone, words: TimeWords = ENGLISH): string {
  const stamp = zonedStamp(at, zone);
  const time = stamp.slice(11, 16);
  if (stamp.slice(0, 10) === zonedStamp(now, zone).slice(0, 10)) return time;
  const day = `${Number(stamp.slice(8, 10))} ${words.months[Number(stamp.slice(5, 7)) - 1]}`;
  return Math.abs(at - now) < 180 * DAY ? `${day} ${time}` : `${day} ${stamp.slice(0, 4)}`;
}

/** "in 2 h 10 min (14:30)"; without the clock when the instant has come. */
export function untilWithClock(at: number, now: number, zone: Zone, words: TimeWords = ENGLISH): string {
  const span = untilText(at, now, words);
  return at <= now ? span : `${span} (${clockText(at, now, zone, words)})`;
}

/**
 * The instant for a sentence that is read later too: "at 14:30 (in 2 h 10 min)", "at 20:08 on 30 Nov (in 1 d 2 h)", "on 24 Nov
 * 2027 (in 300 d)"; "in 20 s" for less than a minute, where no clock helps.
 */
export function atWithSpan(at: number, now: number, zone: Zone): string {
  const span = untilText(at, now);
  if (at - now < MINUTE) return span;
  const [first, month, last] = clockText(at, now, zone).split(' ');
  if (month === undefined) return `at ${first} (${span})`;
  return last?.includes(':') === true ? `at ${last} on ${first} ${month} (${span})` : `on ${first} ${month} ${last} (${span})`;
}
