import type { ServerResponse } from 'node:http';
import { KmiError } from '../../errors.ts';
import { ClientLeft } from '../http/interruptions.ts';
import { NOT_ASKED } from '../pool/acquire-key.ts';
import type { FailedAttempt } from '../pool/cooldowns.ts';
import type { PoolChoice } from '../pool/key-chooser.ts';
import { type NoKeyParts, noKeyError } from '../pool/no-key-error.ts';
import type { PoolEntry } from '../pool/pool-entry.ts';
import type { RequestRecord } from '../record/recorder.ts';
import type { AttemptResult } from './attempt.ts';
import { brokenOff, unreachable } from './attempt-outcome.ts';
import type { ClientRequest } from './attempt-plan.ts';
import { errorForClient } from './error-for-client.ts';
import type { KeptAnswer } from './kept-answer.ts';
import { withKeysTried } from './last-key-answer.ts';
import type { Relay } from './relay.ts';

export type Served = Extract<AttemptResult, { kind: 'served' }>;

/** Why no answer came, and from where. */
export type KeptError = { readonly error: Error; readonly origin: string };

/** Gives the client the upstream's own error, minus anything the client must not see. Returns how the request ended. */
export function handOn(
  kept: KeptAnswer,
  { head, route }: ClientRequest,
  relay: Relay,
  failures: readonly FailedAttempt[],
  parts: NoKeyParts,
) {
  const { answer, outcome, entry, sent } = kept;
  const own = errorForClient(answer, { outcome, entry, sent, head, route, now: parts.clock() });
  const told = withKeysTried(own, kept, failures, parts);
  relay.whole(told);
  return { kind: 'relay', answer: told, verdict: outcome.verdict, upstreamStatus: answer.status } as const;
}

/** The proxy's own error for a request that nobody answered, or for which nobody could be asked. */
export function ownError(kept: KeptError | null, choice: PoolChoice | null, parts: NoKeyParts): KmiError {
  if (kept === null) return noKeyError(choice ?? NOT_ASKED, parts);
  return kept.error instanceof KmiError ? kept.error : unreachable(kept.error, kept.origin);
}

/** Tells a client that has part of an answer that the rest will not come. */
export function breakOff(
  { brokenBy: error }: Served,
  entry: PoolEntry | null,
  { relay, record, response }: { readonly relay: Relay; readonly record: RequestRecord; readonly response: ServerResponse },
): void {
  if (error === null || response.destroyed || error instanceof ClientLeft) return;
  relay.breakOff(error instanceof KmiError ? error : brokenOff(error));
  // The request turned out too large while the answer was under way: the caller's fault.
  if (entry !== null && !(error instanceof KmiError)) record.brokeOff(entry, error);
}
