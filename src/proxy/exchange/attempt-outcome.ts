import { ConnectFailure } from '../../core/network/connect-failure.ts';
import { describeNetworkCode, networkCode } from '../../core/network/network-words.ts';
import { type Answer, namedWindowMs, parseErrorBody } from '../../core/verdicts/error-answer.ts';
import { parseRetryAfter } from '../../core/verdicts/retry.ts';
import { judge } from '../../core/verdicts/verdict.ts';
import { ERRORS, KmiError } from '../../errors.ts';
import { errorText } from '../http/error-text.ts';
import { type AnswerHead, headerOf } from '../http/headers.ts';
import { UpstreamSilence } from '../http/interruptions.ts';
import type { AttemptOutcome } from '../pool/cooldowns.ts';
import type { AttemptResult } from './attempt.ts';

/** What an attempt that the client has seen nothing of says about its key, and what the upstream answered; null without an answer. */
export type JudgedResult = { readonly outcome: AttemptOutcome; readonly answer: Answer | null };

/** Judges an attempt that the client has seen nothing of. Times in epoch ms. */
export function judgeResult(result: Exclude<AttemptResult, { kind: 'served' }>, startedAt: number, now: number): JudgedResult {
  if (result.kind === 'failed') {
    const isUnsent = result.error instanceof ConnectFailure;
    return {
      outcome: { verdict: 'broken', status: 503, retryAfterMs: null, windowMs: null, namesReason: true, startedAt, isUnsent },
      answer: null,
    };
  }
  const text = errorText(result.body, headerOf(result.headers, 'content-encoding'));
  const answer = parseErrorBody(result.status, text, {
    contentType: headerOf(result.headers, 'content-type'),
    challenge: headerOf(result.headers, 'www-authenticate'),
  });
  const verdict = judge(answer);
  const outcome: AttemptOutcome = {
    // What broke off in the middle is no page of anybody's.
    verdict: verdict === 'edge' && !result.isWhole ? 'broken' : verdict,
    status: result.status,
    windowMs: namedWindowMs(answer.message),
    namesReason: answer.form !== 'bare',
    retryAfterMs: parseRetryAfter(headerOf(result.headers, 'retry-after'), now),
    startedAt,
    isUnsent: false,
  };
  return { outcome, answer };
}

const HTML = /^\s*text\/html\b/i;

/** An answer under 400 that is a page or a redirect, as sign-in pages come: it proves nothing of the key. */
export function isOfNetwork({ status, contentType }: AnswerHead): boolean {
  if (status >= 300 && status !== 304) return true;
  return contentType !== undefined && HTML.test(contentType);
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

/** The error for a client that has part of an answer. */
export function brokenOff(error: Error): KmiError {
  if (error instanceof UpstreamSilence) return new KmiError('upstream_timeout', error.message);
  return new KmiError('upstream_unreachable', 'The upstream broke off in the middle of its answer.', {
    hint: 'Send the request again.',
  });
}

/** Whether waiting can change nothing: the outgoing proxy refuses the login, or the request goes round in a circle. */
export function isLasting({ status }: AttemptOutcome, error: Error | null): boolean {
  return status === ERRORS.loop.http || (error instanceof ConnectFailure && error.isLasting);
}

/** Errors of a connection that had been established: a dead pooled socket shows as one of these. */
const SOCKET_DEATH = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'ETIMEDOUT', 'ENETRESET', 'ECONNABORTED']);

export function isSocketDeath(error: Error): boolean {
  return SOCKET_DEATH.has(networkCode(error) ?? '');
}
