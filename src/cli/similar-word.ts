import { slipsBetween } from '../core/text/slips.ts';

/** The word a person may have meant: it begins like that, or is at most so many slips away; null when none does. */
export function similarWord(typed: string, words: readonly string[], most = 2): string | null {
  if (typed.length > 40) return null;
  const wanted = typed.toLowerCase();
  const begins = words.filter((word) => wanted.length >= 2 && word.startsWith(wanted));
  if (begins.length === 1) return begins[0] as string;
  const near = words.map((word) => ({ word, slips: slipsBetween(wanted, word) })).sort((a, b) => a.slips - b.slips)[0];
  return near !== undefined && near.slips <= Math.min(most, Math.floor(near.word.length / 2)) ? near.word : null;
}
