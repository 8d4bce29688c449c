import type { Choice } from '../choice.ts';
import type { Candidate } from '../eligibility.ts';
import { pickInOrder } from '../rotation.ts';
import type { StrategyAtWork, TurnMemory } from '../strategies.ts';
import type { PickOptions } from '../why-not.ts';

/**
 * From `position`, the first key that is eligible. Low quota and errors of the past pass nobody over: a key that can serve
 * takes its turn.
 */
export function pickRoundRobin<C extends Candidate>(
  candidates: readonly C[],
  position: number,
  options: PickOptions<C>,
): Choice<C> {
  return pickInOrder(candidates, position, 'round_robin', options);
}

/** Each request takes the next key that can serve. Whose turn it is outlives the process. */
export function roundRobin(memory: TurnMemory): StrategyAtWork {
  return {
    pick: ({ candidates }, _, options) => pickRoundRobin(candidates, memory.rotationIndex, options),
    taken({ index, binds }, { candidates }) {
      // A request that went where its file is has taken nobody's turn.
      if (!binds) memory.rotationIndex = (index + 1) % candidates.length;
    },
  };
}
