import type { Answer } from '../../core/verdicts/error-answer.ts';
import type { PoolEntry } from '../pool/pool-entry.ts';

/**
 * The keys that are sent where this one is, itself included, when a chat was answered 404 there and not about its model:
 * their base URL leads to nothing, and a key that is sent elsewhere can serve. Null when it was something else, or all that
 * may serve are sent there, so that the answer is the client's.
 */
export function keysAtDeadEnd(
  { status, message }: Answer,
  entry: PoolEntry,
  enabled: readonly PoolEntry[],
): readonly PoolEntry[] | null {
  if (status !== 404 || /\bmodel\b/.test(message)) return null;
  const there = enabled.filter(({ key }) => key.baseUrl === entry.key.baseUrl);
  return there.length === enabled.length ? null : there;
}
