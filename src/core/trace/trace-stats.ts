import { isFailed, isFailover, type TraceEvent, timeOfEvent, tokensOf } from './trace-event.ts';

/** How evenly requests fell on keys. */
export type Distribution = {
  readonly total: number;
  /** Requests per key label, most first, then by label. */
  readonly counts: readonly (readonly [label: string, count: number])[];
  /** 0 to 100: 100 less the largest deviation of a key's count from its share, which is the even one without weights, in percent of that share. */
  readonly confidence: number;
};

/** Requests over which confidence is taken unless asked otherwise (docs/kmi-manager.md#confidence). */
export const DEFAULT_WINDOW = 200;

/** How much a label should get beside others. */
export type WeightOf = (label: string) => number;

export const EVEN: WeightOf = () => 1;

/** What each label should have got of the total. */
export function sharesOf(counts: Distribution['counts'], total: number, weightOf: WeightOf): readonly number[] {
  const weights = counts.map(([label]) => weightOf(label));
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => (total * weight) / all);
}

/**
 * The distribution over the served labels. `expected` names the keys that should have had a share, so that a key which
 * got nothing lowers the confidence; empty counts only those seen.
 */
export function distributionOf(
  labels: readonly string[],
  expected: readonly string[] = [],
  weightOf: WeightOf = EVEN,
): Distribution {
  const counts = new Map<string, number>(expected.map((label) => [label, 0]));
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const sorted = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return { total: labels.length, counts: sorted, confidence: confidenceOf(sorted, labels.length, weightOf) };
}

function confidenceOf(counts: Distribution['counts'], total: number, weightOf: WeightOf): number {
  if (total === 0 || counts.length === 0) return 100;
  const shares = sharesOf(counts, total, weightOf);
  const deviation = Math.max(...counts.map(([, count], n) => Math.abs(count - (shares[n] as number)) / (shares[n] as number)));
  return Math.max(0, 100 - deviation * 100);
}

/** The share of the input tokens that prompt caches served, 0 to 1; null when no request says. */
export function cachedShareOf(events: readonly TraceEvent[]): number | null {
  let input = 0;
  let cached = 0;
  for (const event of events) {
    const tokens = tokensOf(event);
    input += tokens?.input ?? 0;
    cached += tokens?.cached ?? 0;
  }
  return input === 0 ? null : cached / input;
}

/** What ended in the last minute. */
export type MinuteStats = {
  readonly requests: number;
  readonly failures: number;
  readonly failovers: number;
  /** 0 to 1; null when no request states tokens. */
  readonly cachedShare: number | null;
};

const MINUTE_MS = 60_000;

/** Of events in the order in which they ended, the newest last; `now` in epoch ms. */
export function minuteStats(events: readonly TraceEvent[], now: number): MinuteStats {
  let first = events.length;
  while (first > 0 && endOf(events[first - 1] as TraceEvent) > now - MINUTE_MS) first -= 1;
  const recent = events.slice(first);
  return {
    requests: recent.length,
    failures: recent.filter(isFailed).length,
    failovers: recent.filter(isFailover).length,
    cachedShare: cachedShareOf(recent),
  };
}

function endOf(event: TraceEvent): number {
  return (timeOfEvent(event) ?? Number.NEGATIVE_INFINITY) + event.latency_ms;
}
