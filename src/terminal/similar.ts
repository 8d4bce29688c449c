/** The word a person may have meant: it begins like that, or is at most two slips away; null when none does. */
export function similarWord(typed: string, words: readonly string[]): string | null {
  if (typed.length > 40) return null;
  const wanted = typed.toLowerCase();
  const begins = words.filter((word) => wanted.length >= 2 && word.startsWith(wanted));
  if (begins.length === 1) return begins[0] as string;
  const near = words.map((word) => ({ word, slips: slipsBetween(wanted, word) })).sort((a, b) => a.slips - b.slips)[0];
  return near !== undefined && near.slips <= Math.min(2, Math.floor(near.word.length / 2)) ? near.word : null;
}

/** Letters to insert, delete or replace (Levenshtein). */
function slipsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, n) => n);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
