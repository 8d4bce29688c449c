import type { Key } from '../core/keys/key.ts';
import { activeBlock, type KeyState } from '../core/keys/key-state.ts';

/** A closed account does not come back, and asking for it again is what a ban is about. */
const FINAL_REASON = 'banned';

/** Whether a blocked key is worth asking again. */
export function canRecheck(key: Key, state: KeyState | undefined, now: number): boolean {
  const block = state === undefined ? null : activeBlock(state, now);
  return !key.disabled && block !== null && block.reason !== FINAL_REASON;
}

/** At most `max` of the keys, the longest unchecked first; `turnOf` numbers the checks so far, 0 for a key that had none. */
export function pickRechecks(keys: readonly Key[], turnOf: (key: Key) => number, max: number): readonly Key[] {
  return [...keys].sort((a, b) => turnOf(a) - turnOf(b)).slice(0, Math.max(0, max));
}
