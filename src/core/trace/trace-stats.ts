import type { SessionReason } from '../choosing/choice.ts';
import { STRATEGY_FACTS, UNEVEN_STRATEGIES } from '../choosing/strategy.ts';
import { type TraceEvent, tokensOf } from './trace-event.ts';

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

const BY_SESSION: Readonly<Record<SessionReason, true>> = { session: true, placed: true, moved: true, helped_out: true };

const UNEVEN: ReadonlySet<string | null> = new Set<string>([
  ...Object.keys(BY_SESSION),
  'file',
  ...UNEVEN_STRATEGIES.map((name) => STRATEGY_FACTS[name].turn),
]);

/** Whether requests went by session or account (`sticky`, `quota`): how they fall on keys is then no fault of the rotation. */
export function isBySession(events: readonly TraceEvent[]): boolean {
  return events.some(({ choice }) => UNEVEN.has(choice));
}
