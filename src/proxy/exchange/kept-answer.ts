import type { CollectedAnswer } from '../http/answer.ts';
import type { AttemptOutcome } from '../pool/cooldowns.ts';
import type { PoolEntry } from '../pool/pool-entry.ts';

/** An error answer of the upstream, kept for the client in case no other key does better. */
export type KeptAnswer = {
  readonly answer: CollectedAnswer;
  readonly outcome: AttemptOutcome;
  readonly entry: PoolEntry;
  /** The key or token that was sent; a login has another one by now, maybe. */
  readonly sent: string;
};
