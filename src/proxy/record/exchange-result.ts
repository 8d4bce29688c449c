import type { VerdictClass } from '../../core/verdicts/verdict.ts';
import type { KmiError } from '../../errors.ts';
import type { CollectedAnswer } from '../http/answer.ts';
import type { FailedAttempt } from '../pool/cooldowns.ts';
import type { PoolChoice } from '../pool/key-chooser.ts';
import type { PoolEntry } from '../pool/pool-entry.ts';

/** How a request ended, and what it took. */
export type ExchangeResult = {
  /** The key of the answer, or the last one tried; null when none was. */
  readonly entry: PoolEntry | null;
  readonly choice: PoolChoice | null;
  /** Attempts that failed before, in order. */
  readonly failures: readonly FailedAttempt[];
  readonly end:
    | { readonly kind: 'served'; readonly status: number; readonly brokenBy: Error | null }
    /** `upstreamStatus`: what the upstream said, where the client is told something else. */
    | {
        readonly kind: 'relay';
        readonly answer: CollectedAnswer;
        readonly verdict: VerdictClass;
        readonly upstreamStatus: number;
      }
    | { readonly kind: 'unreachable'; readonly error: KmiError }
    | { readonly kind: 'no-key'; readonly error: KmiError }
    | { readonly kind: 'left' };
};
