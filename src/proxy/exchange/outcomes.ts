import type { Outcome } from '../../core/failover/next-step.ts';
import type { VerdictClass } from '../../core/verdicts/verdict.ts';
import type { AttemptResult } from './attempt.ts';
import { isSocketDeath } from './attempt-outcome.ts';

export const WHOLE: Outcome = { kind: 'served', isWhole: true };
export const BROKEN: Outcome = { kind: 'served', isWhole: false };
export const CLIENT_LEFT: Outcome = { kind: 'client-left' };
export const OWN_FAULT: Outcome = { kind: 'own-fault' };
export const NO_KEY: Outcome = { kind: 'no-key' };
export const PAUSE_OVER: Outcome = { kind: 'pause-over' };

/** An attempt that the client has seen nothing of, as `nextStep` wants to know it. */
export function outcomeOf(
  result: Exclude<AttemptResult, { kind: 'served' }>,
  verdict: VerdictClass,
  isLasting: boolean,
): Outcome {
  if (result.kind === 'answered') return { kind: 'answered', verdict, isLasting };
  return { kind: 'failed', isSocketDeath: isSocketDeath(result.error), isLasting };
}
