import type { Key } from '../core/keys/key.ts';
import { activeBlock, endsByRecheck, type KeyState } from '../core/keys/key-state.ts';

/** Whether a blocked key is worth asking again: asking for a closed account again and again is what a ban is about. */
export function canRecheck(key: Key, state: KeyState | undefined, now: number): boolean {
  const block = state === undefined ? null : activeBlock(state, now);
  return !key.disabled && block !== null && endsByRecheck(block);
}

/** At most `max` of the keys, the longest unchecked first; `turnOf` numbers the checks so far, 0 for a key that had none. */
export function pickRechecks(keys: readonly Key[], turnOf: (key: Key) => number, max: number): readonly Key[] {
  return [...keys].sort((a, b) => turnOf(a) - turnOf(b)).slice(0, Math.max(0, max));
}
