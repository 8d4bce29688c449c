import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffMs, parseRetryAfter } from '../../../src/core/verdicts/retry.ts';
import { cpuMs } from '../../support/cpu-time.ts';

const NOW = Date.UTC(1994, 10, 6, 8, 49, 0);
const YEAR = 366 * 86_400_000;

describe('Retry-After', () => {
  it.each<[string | undefined, number | null]>([
    ['120', 120_000],
    [' 7 ', 7_000],
    ['1.5', 1_500],
    ['0', 1_000],
    ['0.2', 1_000],
    ['9999999999', YEAR],
    // The three forms of RFC 9110 section 5.6.7; all are UTC.
    ['Sun, 06 Nov 1994 08:49:37 GMT', 37_000],
    ['Sunday, 06-Nov-94 08:49:37 GMT', 37_000],
    ['Sun Nov  6 08:49:37 1994', 37_000],
    ['Sun, 06 Nov 1994 09:49:37 +0100', 37_000],
    ['Sun, 06 Nov 1994 08:00:00 GMT', 1_000],
    ['Fri, 31 Dec 9999 23:59:59 GMT', YEAR],
    [undefined, null],
    ['', null],
    ['soon', null],
    ['-5', null],
    ['+5', null],
    ['1e9', null],
    ['0x10', null],
    ['12345678901', YEAR],
    ['99999999999999999999999999999999', YEAR],
    ['Infinity', null],
    ['5, 10', null],
    ['1994-11-06T08:49:37Z', null],
    ['Sun, 99 Foo 1994 99:99:99 GMT', null],
  ])('%j', (value, expected) => {
    expect(parseRetryAfter(value, NOW)).toBe(expected);
  });

  it('is a whole number between a second and a year, or nothing, for any text', () => {
    const near = fc.stringMatching(/^(?:Sun|Monday),? [\w :-]{0,30}(?:GMT)?$/);
    fc.assert(
      fc.property(fc.oneof(fc.string(), near, fc.stringMatching(/^\d{1,40}\.?\d{0,12}$/)), (text) => {
        const ms = parseRetryAfter(text, NOW);
        if (ms === null) return;
        expect(Number.isInteger(ms)).toBe(true);
        expect(ms).toBeGreaterThanOrEqual(1000);
        expect(ms).toBeLessThanOrEqual(YEAR);
      }),
    );
  });

  it('does not read a megabyte', async () => {
    expect(await cpuMs(() => expect(parseRetryAfter('9'.repeat(1_000_000), NOW)).toBe(YEAR))).toBeLessThan(500);
  });
});

it('backoff doubles from its base and ends at half a minute', () => {
  expect([0, 1, 2, 3, 6, 7, 1000].map((attempt) => backoffMs(attempt, 250))).toEqual([
    250, 500, 1000, 2000, 16_000, 30_000, 30_000,
  ]);
  expect(backoffMs(5, 0)).toBe(0);
});
