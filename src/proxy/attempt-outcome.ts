import { ConnectFailure } from '../core/connect-failure.ts';
import { describeNetworkCode, networkCode } from '../core/network-words.ts';
import { parseRetryAfter } from '../core/retry.ts';
import { judge, parseErrorBody } from '../core/verdict.ts';
import { KmiError } from '../errors.ts';
import type { AttemptResult } from './attempt.ts';
import { errorText } from './error-text.ts';
import { headerOf } from './headers.ts';
import { UpstreamSilence } from './interruptions.ts';
import type { AttemptOutcome } from './key-pool.ts';

/** What an attempt that the client has seen nothing of says about its key. Times in epoch ms. */
export function judgeResult(result: Exclude<AttemptResult, { kind: 'served' }>, startedAt: number, now: number): AttemptOutcome {
  if (result.kind === 'failed') {
    const isUnsent = result.error instanceof ConnectFailure;
    return { verdict: 'broken', status: 503, retryAfterMs: null, startedAt, isUnsent };
  }
  const text = errorText(result.body, headerOf(result.headers, 'content-encoding'));
  return {
    verdict: judge(parseErrorBody(result.status, text)),
    status: result.status,
    retryAfterMs: parseRetryAfter(headerOf(result.headers, 'retry-after'), now),
    startedAt,
    isUnsent: false,
  };
}

/** The error for a client whose request got no answer from the upstream at `origin`. Names no address, which a client need not see. */
export function unreachable(error: Error, origin: string): KmiError {
  if (error instanceof UpstreamSilence) return new KmiError('upstream_timeout', error.message, { cause: error });
  if (error instanceof ConnectFailure) {
    return new KmiError('upstream_unreachable', error.message, { hint: error.hint, cause: error });
  }
  const { hostname } = new URL(origin);
  const reason = describeNetworkCode(networkCode(error));
  return new KmiError('upstream_unreachable', `${hostname} was reached, but gave no proper answer: ${reason}.`, { cause: error });
}

/** Whether trying again can change nothing. */
export function isLasting(error: Error | null): boolean {
  return error instanceof ConnectFailure && error.isLasting;
}

/** Errors of a connection that had been established: a dead pooled socket shows as one of these. */
const SOCKET_DEATH = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'ETIMEDOUT', 'ENETRESET', 'ECONNABORTED']);

export function isSocketDeath(error: Error): boolean {
  return SOCKET_DEATH.has(networkCode(error) ?? '');
}
