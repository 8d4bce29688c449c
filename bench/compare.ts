import { type Row, round } from './sampling.ts';
import { median, medianInterval, spread } from './statistics.ts';

/** The newer build may be worse by this share. */
const TOLERANCE = 0.03;

/** By figure, then by program: one value a round, less is better. */
export type Figures = ReadonlyMap<string, ReadonlyMap<string, readonly number[]>>;

/**
 * A row for each figure both builds have: the median of the rounds' ratios new/old, their spread (half the distance
 * between the quartiles), and where the true median lies with 95 % confidence. What was measured in one round shares
 * the machine's mood, so that a ratio holds where the values themselves drift.
 */
export function comparisonRows(figures: Figures, newer: string, older: string): Row[] {
  return [...figures].flatMap(([figure, values]) => {
    const [now, before] = [values.get(newer) ?? [], values.get(older) ?? []];
    const rounds = Math.min(now.length, before.length);
    if (rounds === 0) return [];
    const ratios = Array.from({ length: rounds }, (_, n) => (now[n] as number) / (before[n] as number));
    const interval = medianInterval(ratios);
    return [
      {
        figure,
        [newer]: round(median(now)),
        [older]: round(median(before)),
        'new/old': thousandths(median(ratios)),
        '±': thousandths(spread(ratios)),
        '95 %': interval === null ? '-' : `${interval.low.toFixed(3)} to ${interval.high.toFixed(3)}`,
        rounds,
        'at most 3 % worse': judge(interval),
      },
    ];
  });
}

function judge(interval: ReturnType<typeof medianInterval>): string {
  if (interval === null) return 'too few rounds';
  if (interval.high <= 1 + TOLERANCE) return 'yes';
  return interval.low > 1 + TOLERANCE ? 'NO' : 'unclear';
}

function thousandths(value: number): number {
  return Math.round(value * 1000) / 1000;
}
