import type { Candidate } from './eligibility.ts';

/** An account's weight is the largest of its keys'. Of keys with the same account the first names it. */
export type AccountWeight = { readonly label: string; readonly weight: number };

/** By account id, or by label for a key whose account is not known: it counts as one of its own. */
export function accountWeights(candidates: readonly Pick<Candidate, 'key' | 'state'>[]): ReadonlyMap<string, AccountWeight> {
  const weights = new Map<string, AccountWeight>();
  for (const { key, state } of candidates) {
    const id = state.account?.id ?? key.label;
    const known = weights.get(id);
    weights.set(id, { label: known?.label ?? key.label, weight: Math.max(known?.weight ?? 0, key.weight) });
  }
  return weights;
}
