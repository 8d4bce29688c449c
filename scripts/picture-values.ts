/** Puts fixed values in place of what differs from one capture to the next, so that a picture changes when the program does. */
import { replaceIn, type Screen } from './terminal-screen.ts';

const LATENCIES_MS = [812, 640, 935, 1204, 588, 771, 903, 690, 1130, 846, 727, 960] as const;
const DAY_MS = 86_400_000;
/** The moment at which every picture was taken. */
const SHOWN_AT = Date.UTC(2026, 4, 12, 9, 41);
const NEWEST_SECONDS = 36;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;
const DATE = new RegExp(`\\b\\d{1,2} (?:${MONTHS.join('|')})\\b`, 'g');
/** Seconds from one request to the next. */
const STEP_SECONDS = 9;

/**
 * `home`: the folder in which the capture was made; the picture says `~`. `minute`: when, to the minute (epoch ms); what is
 * to come keeps its distance from it. Times are those of UTC.
 */
export function withFixedValues(screen: Screen, { home, minute }: { readonly home: string; readonly minute: number }): Screen {
  const days = Math.floor(SHOWN_AT / DAY_MS) - Math.floor(minute / DAY_MS);
  const fixed: readonly (readonly [RegExp, (match: string, n: number) => string])[] = [
    [new RegExp(escaped(home), 'g'), () => '~'],
    [/127\.0\.0\.1:\d+(?=\/kmi-rotor|, up )/g, () => '127.0.0.1:54123'],
    [/http:\/\/127\.0\.0\.1:\d+(?=\/coding)/g, () => 'https://api.kimi.com'],
    [/(?<![\d:])\d\d:\d\d:\d\d(?![\d:])/g, (_, n) => time(SHOWN_AT + (NEWEST_SECONDS - n * STEP_SECONDS) * 1000, 8)],
    [/(?<![\d:.])\d\d:\d\d(?![\d:])/g, (match) => time(Date.parse(`1970-01-02T${match}Z`) + SHOWN_AT - minute, 5)],
    [DATE, (match) => date(Date.parse(`${match} ${new Date(minute).getUTCFullYear()} UTC`) + days * DAY_MS)],
    [/\bup \d+ (?:s|min)\b/g, () => 'up 2 h'],
    [/\bpid \d+/g, () => 'pid 4242'],
    [/ {2,}\d+ ms\b/g, (match, n) => latency(n).padStart(match.length)],
    [/\b[\da-f]{8}\b(?= {2})/g, (_, n) => id(n)],
  ];
  return fixed.reduce((shown, [pattern, replacement]) => replaceIn(shown, pattern, replacement), screen);
}

function latency(n: number): string {
  return `${LATENCIES_MS[n % LATENCIES_MS.length]} ms`;
}

function time(ms: number, length: number): string {
  return new Date(ms).toISOString().slice(11, 11 + length);
}

function date(ms: number): string {
  const at = new Date(ms);
  return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}`;
}

/** As the ids of one proxy differ: in their first characters. */
function id(n: number): string {
  return `${((n * 2_654_435_761 + 97) % 0xffffff).toString(16).padStart(6, '0')}0d`;
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
