import fc from 'fast-check';
import { expect, it } from 'vitest';
import { comparisonRows } from '../../bench/compare.ts';
import { medianInterval } from '../../bench/statistics.ts';

const VERDICT = 'at most 3 % worse';
const ROUNDS = 10;
/** A machine that is up to three times as slow in one round as in another. */
const MOODS = Array.from({ length: ROUNDS }, (_, round) => 1 + (round % 3));

function compared(ratio: number, rounds = ROUNDS) {
  const moods = MOODS.slice(0, rounds);
  const values = new Map([
    ['kmi', moods.map((mood) => 50 * ratio * mood)],
    ['main', moods.map((mood) => 50 * mood)],
  ]);
  return comparisonRows(new Map([['cpu', values]]), 'kmi', 'main');
}

it.each([
  [0.9, 'yes'],
  [1.02, 'yes'],
  [1.04, 'NO'],
])('a build that needs %f of the old one is told from it while the machine changes its speed', (ratio, verdict) => {
  const [row] = compared(ratio);
  expect(row?.['new/old']).toBeCloseTo(ratio, 2);
  expect(row?.[VERDICT]).toBe(verdict);
});

it('a few rounds, and rounds that disagree, judge nothing', () => {
  expect(compared(2, 5)[0]?.[VERDICT]).toBe('too few rounds');
  const noisy = MOODS.map((_, round) => (round % 2 === 0 ? 90 : 115));
  const rows = comparisonRows(
    new Map([
      [
        'cpu',
        new Map([
          ['kmi', noisy],
          ['main', MOODS.map(() => 100)],
        ]),
      ],
    ]),
    'kmi',
    'main',
  );
  expect(rows[0]?.[VERDICT]).toBe('unclear');
});

it('a figure that only one build has is left out', () => {
  expect(comparisonRows(new Map([['cpu', new Map([['kmi', [1, 2]]])]]), 'kmi', 'main')).toEqual([]);
});

it.each([
  [5, null],
  [6, [1, 6]],
  [8, [1, 8]],
  [9, [2, 8]],
  [20, [6, 15]],
])('the interval of the median of %i values is that of the sign test', (count, expected) => {
  const values = Array.from({ length: count }, (_, n) => n + 1);
  const interval = medianInterval(values.reverse());
  expect(interval === null ? null : [interval.low, interval.high]).toEqual(expected);
});

it('the interval holds the middle of the values', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0.1, max: 10, noNaN: true }), { minLength: 6, maxLength: 40 }), (values) => {
      const { low, high } = medianInterval(values) ?? { low: Number.NaN, high: Number.NaN };
      const below = values.filter((value) => value < low).length;
      const above = values.filter((value) => value > high).length;
      expect(low).toBeLessThanOrEqual(high);
      expect(Math.max(below, above)).toBeLessThan(values.length / 2);
    }),
  );
});
