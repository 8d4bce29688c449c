import type { PoolEntry } from '../pool/pool-entry.ts';
import type { JudgedResult } from './attempt-outcome.ts';

/**
 * The keys that are sent where this one is, itself included, when a chat was answered 404 there and not about its model:
 * their base URL leads to nothing, and a key that is sent elsewhere can serve. Null when it was something else, or all keys
 * are sent there, so that the answer is the client's.
 */
export function keysAtDeadEnd(
  { outcome, answer }: JudgedResult,
  entry: PoolEntry,
  entries: readonly PoolEntry[],
): readonly PoolEntry[] | null {
  if (answer === null || answer.status !== 404 || outcome.verdict !== 'caller' || /\bmodel\b/.test(answer.message)) return null;
  const there = entries.filter(({ key }) => key.baseUrl === entry.key.baseUrl);
  return there.length === entries.length ? null : there;
}
