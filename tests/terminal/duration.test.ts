import { expect, test } from 'vitest';
import { agoText, clockText, durationText, untilText, untilWithClock } from '../../src/core/text/duration.ts';
import { HOUR, NOW } from './fixture.ts';

const MINUTE = 60_000;
const DAY = 24 * HOUR;

test.each([
  [0, '0 s'],
  [1, '1 s'],
  [59_000, '59 s'],
  [59_001, '1 min'],
  [61_000, '2 min'],
  [59 * MINUTE + 1, '1 h'],
  [2 * HOUR + 9 * MINUTE + 1, '2 h 10 min'],
  [3 * HOUR, '3 h'],
  [DAY - 1, '1 d'],
  [3 * DAY + 3 * HOUR + MINUTE, '3 d 4 h'],
  [-5, '0 s'],
])('a wait of %i ms is said as %j, never shorter than it is', (ms, text) => {
  expect(durationText(ms)).toBe(text);
});

test.each([
  [999, '0 s'],
  [119_999, '1 min'],
  [2 * HOUR + 59_999, '2 h'],
  [DAY + HOUR - 1, '1 d'],
])('rounded down, %i ms are %j', (ms, text) => {
  expect(durationText(ms, 'down')).toBe(text);
});

test('what is to come and what was are said from now', () => {
  expect(untilText(NOW + 2 * HOUR + 10 * MINUTE, NOW)).toBe('in 2 h 10 min');
  expect(untilText(NOW, NOW)).toBe('now');
  expect(agoText(NOW - 3 * MINUTE - 59_000, NOW)).toBe('3 min ago');
  expect(agoText(NOW - 4_999, NOW)).toBe('just now');
  expect(agoText(NOW + HOUR, NOW)).toBe('just now');
});

test('the clock follows the zone, and names the day when it is another one there', () => {
  expect(clockText(NOW + HOUR, NOW, 'UTC')).toBe('13:00');
  expect(clockText(NOW + HOUR, NOW, '+03:00')).toBe('16:00');
  expect(clockText(NOW + 4 * HOUR, NOW, 'Asia/Tokyo')).toBe('21 Nov 01:00');
  expect(clockText(NOW + 200 * DAY, NOW, 'UTC')).toBe('8 Jun 2027');
  expect(untilWithClock(NOW + 10 * MINUTE, NOW, 'UTC')).toBe('in 10 min (12:10)');
  expect(untilWithClock(NOW - 1, NOW, 'UTC')).toBe('now');
});
