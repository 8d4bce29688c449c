/** How evenly requests fell on keys. */
export type Distribution = {
  readonly total: number;
  /** Requests per key label, most first, then by label. */
  readonly counts: readonly (readonly [label: string, count: number])[];
  /** 0 to 100: 100 less the largest deviation of a key's count from the even share, in percent of that share. */
  readonly confidence: number;
};

/** Requests over which confidence is taken unless asked otherwise (kmi-manager.md section 8). */
export const DEFAULT_WINDOW = 200;

/**
 * The distribution over the served labels. `expected` names the keys that should have had a share, so that a key which
 * got nothing lowers the confidence; empty counts only those seen.
 */
export function distributionOf(labels: readonly string[], expected: readonly string[] = []): Distribution {
  const counts = new Map<string, number>(expected.map((label) => [label, 0]));
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const sorted = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return { total: labels.length, counts: sorted, confidence: confidenceOf(sorted, labels.length) };
}

function confidenceOf(counts: readonly (readonly [string, number])[], total: number): number {
  if (total === 0 || counts.length === 0) return 100;
  const share = total / counts.length;
  const deviation = Math.max(...counts.map(([, count]) => Math.abs(count - share)));
  return Math.max(0, 100 - (deviation / share) * 100);
}
