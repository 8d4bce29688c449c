import { type Distribution, EVEN, sharesOf, type WeightOf } from './trace-stats.ts';

/** Confidence below which a distribution is remarked upon (docs/kmi-manager.md#confidence). */
export const CONFIDENCE_WANTED = 95;

/**
 * Whether no count is a whole request away from the even share: nothing can be more even when the requests do not divide
 * by the keys (50 requests over 7 keys give 88 % at best), so a low confidence then says nothing.
 */
export function isAsFairAsPossible({ counts, total }: Distribution): boolean {
  return isWithin(1, counts, total, EVEN);
}

/**
 * The same for shares by weight. These keep within one request from their beginning on, so within two of each other
 * where the count begins in the middle.
 */
export function isAsFairAsWeighed({ counts, total }: Distribution, weightOf: WeightOf): boolean {
  return isWithin(2, counts, total, weightOf);
}

function isWithin(requests: number, counts: Distribution['counts'], total: number, weightOf: WeightOf): boolean {
  const shares = sharesOf(counts, total, weightOf);
  return counts.every(([, count], n) => Math.abs(count - (shares[n] as number)) < requests);
}
