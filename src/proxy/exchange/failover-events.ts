import type { FailoverEvent } from '../../core/failover/next-step.ts';
import { blameFor } from '../../core/verdicts/verdict.ts';
import type { AttemptOutcome } from '../pool/cooldowns.ts';
import type { AttemptResult } from './attempt.ts';
import { isSocketDeath } from './attempt-outcome.ts';

export const WHOLE: FailoverEvent = { kind: 'served', isWhole: true };
export const BROKEN: FailoverEvent = { kind: 'served', isWhole: false };
export const CLIENT_LEFT: FailoverEvent = { kind: 'client-left' };
export const BAD_REQUEST: FailoverEvent = { kind: 'bad-request' };
export const NO_KEY: FailoverEvent = { kind: 'no-key' };
export const PAUSE_OVER: FailoverEvent = { kind: 'pause-over' };

/** An attempt that the client has seen nothing of, as `nextStep` wants to know it. */
export function eventOf(
  result: Exclude<AttemptResult, { kind: 'served' }>,
  outcome: AttemptOutcome,
  isLasting: boolean,
): FailoverEvent {
  if (result.kind === 'failed') return { kind: 'failed', isSocketDeath: isSocketDeath(result.error), isLasting };
  const blame = blameFor(outcome);
  return { kind: 'answered', verdict: outcome.verdict, isPenalized: blame === 'key' || blame === 'account', isLasting };
}
