import type { Distribution } from './trace-stats.ts';

/** Confidence below which a distribution is remarked upon (docs/kmi-manager.md#confidence). */
export const CONFIDENCE_WANTED = 95;

/**
 * Whether no count is a whole request away from the even share: nothing can be more even when the requests do not divide
 * by the keys (50 requests over 7 keys give 88 % at best), so a low confidence then says nothing.
 */
export function isAsFairAsPossible({ counts, total }: Distribution): boolean {
  const share = total / Math.max(counts.length, 1);
  return counts.every(([, count]) => Math.abs(count - share) < 1);
}
