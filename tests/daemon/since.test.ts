import fc from 'fast-check';
import { expect, test } from 'vitest';
import { zonedStamp } from '../../src/core/text/zoned-time.ts';
import { parseSince, parseTime, sinceFilter } from '../../src/daemon/since.ts';

const NOW = Date.UTC(2026, 10, 20, 12);

test.each([
  ['30s', NOW - 30_000],
  ['10m', NOW - 600_000],
  ['1h', NOW - 3_600_000],
  ['2d', NOW - 172_800_000],
  ['2026-02-02T12:00:00Z', Date.UTC(2026, 1, 2, 12)],
  ['2026-02-02T12:00:00+03:00', Date.UTC(2026, 1, 2, 9)],
  ['2026-02-02 12:00:00 +0300', Date.UTC(2026, 1, 2, 9)],
  ['2026-02-02T12:00:00.250-01', Date.UTC(2026, 1, 2, 13) + 250],
  ['2026-02-02T12:00', Date.UTC(2026, 1, 2, 10)],
  ['2026-02-02', Date.UTC(2026, 1, 1, 22)],
])('--since %s is understood; a time without a zone is in KMI_TIMEZONE', (value, at) => {
  expect(parseSince(value, NOW, '+02:00')).toBe(at);
});

test.each([
  ['1w', NOW - 7 * 86_400_000],
  // NOW is a Friday at 14:00 there.
  ['today', Date.UTC(2026, 10, 19, 22)],
  ['Today', Date.UTC(2026, 10, 19, 22)],
  ['yesterday', Date.UTC(2026, 10, 18, 22)],
  ['week', Date.UTC(2026, 10, 15, 22)],
  ['month', Date.UTC(2026, 9, 31, 22)],
])('--since %s is understood', (value, at) => {
  expect(parseSince(value, NOW, '+02:00')).toBe(at);
});

test('a day begins at midnight of its own zone and offset', () => {
  const afterChange = Date.UTC(2026, 2, 29, 12);
  expect(parseSince('today', afterChange, 'Europe/Berlin')).toBe(Date.UTC(2026, 2, 28, 23));
  const lateInAsia = Date.UTC(2026, 10, 20, 20);
  expect(parseSince('today', lateInAsia, '+08:00')).toBe(Date.UTC(2026, 10, 20, 16));
  // A Sunday belongs to the week that began on Monday before it.
  expect(parseSince('week', Date.UTC(2026, 10, 22, 12), 'UTC')).toBe(Date.UTC(2026, 10, 16));
});

test.each([
  '',
  'tomorrow',
  'constructor',
  '10',
  '10 m',
  'm',
  '-5m',
  '1y',
  '2026-13-01',
  '2026-02-30',
  '2026-02-02T25:00',
  '2026-02-02T12',
])('--since %j is refused', (value) => {
  expect(parseSince(value, NOW, 'UTC')).toBeNull();
});

test('daylight saving is that of the named day', () => {
  expect(parseTime('2026-07-01 12:00', 'Europe/Berlin')).toBe(Date.UTC(2026, 6, 1, 10));
  expect(parseTime('2026-01-01 12:00', 'Europe/Berlin')).toBe(Date.UTC(2026, 0, 1, 11));
});

test('every stamp the log writes is read back to the second', () => {
  const zone = fc.constantFrom('UTC', '+05:45', '-03:30', 'America/New_York', 'Asia/Kolkata');
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), zone, (seconds, name) => {
      expect(parseTime(zonedStamp(seconds * 1000, name), 'UTC')).toBe(seconds * 1000);
    }),
  );
});

test('lines pass from the second on; what has no time goes with the line before it', () => {
  const lines = [
    'no time yet',
    '{"ts":"2026-11-20 11:59:59 +0000","message":"old"}',
    '    at old stack',
    '{"ts":"2026-11-20 13:00:00 +0100","message":"new"}',
    '    at new stack',
    '{broken',
    '2026-11-20 12:00:01 +0000 kmi proxy starts.',
    '2026-11-20 11:00:00 +0000 the clock was set back',
  ];
  const passes = sinceFilter(NOW + 400, 'UTC');
  expect(lines.filter(passes)).toEqual([lines[0], lines[3], lines[4], lines[5], lines[6]]);
});

test('without --since every line passes', () => {
  expect(['a', '{"ts":"1999-01-01 00:00:00 +0000"}'].every(sinceFilter(null, 'UTC'))).toBe(true);
});
