/** The middle value; the mean of the two middle ones for an even count. NaN of nothing. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value below which the share `q` (0 to 1) of the values lies, interpolated. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

/** Half the distance between the quartiles. */
export function spread(values: readonly number[]): number {
  return (quantile(values, 0.75) - quantile(values, 0.25)) / 2;
}

/**
 * Where the median of the population lies with a confidence of at least 95 %, whatever its distribution: between the
 * k-th smallest and the k-th largest value (sign test). Null for fewer than 6 values, which cannot say.
 */
export function medianInterval(values: readonly number[]): { readonly low: number; readonly high: number } | null {
  const sorted = [...values].sort((a, b) => a - b);
  const count = sorted.length;
  // Chance that fewer than `left` of `count` values lie below the median: the sum of a binomial of one half.
  let left = 0;
  let term = 0.5 ** count;
  for (let below = term; 2 * below <= 0.05; below += term) {
    left += 1;
    term *= (count - left + 1) / left;
  }
  return left === 0 ? null : { low: sorted[left - 1] as number, high: sorted[count - left] as number };
}
