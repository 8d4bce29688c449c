import { parseErrorBody } from '../../core/verdicts/error-answer.ts';
import { errorText } from '../http/error-text.ts';
import { headerOf } from '../http/headers.ts';
import type { AttemptOutcome } from '../pool/cooldowns.ts';
import type { PoolEntry } from '../pool/pool-entry.ts';
import type { AttemptResult } from './attempt.ts';

/**
 * The keys that are sent where this one is, itself included, when a chat was answered 404 there and not about its model:
 * their base URL leads to nothing, and a key that is sent elsewhere can serve. Null when it was something else, or all keys
 * are sent there, so that the answer is the client's.
 */
export function keysAtDeadEnd(
  result: Exclude<AttemptResult, { kind: 'served' }>,
  { verdict, status }: AttemptOutcome,
  entry: PoolEntry,
  entries: readonly PoolEntry[],
): readonly PoolEntry[] | null {
  if (result.kind !== 'answered' || status !== 404 || verdict !== 'caller') return null;
  const { message } = parseErrorBody(status, errorText(result.body, headerOf(result.headers, 'content-encoding')));
  if (/\bmodel\b/.test(message)) return null;
  const there = entries.filter(({ key }) => key.baseUrl === entry.key.baseUrl);
  return there.length === entries.length ? null : there;
}
