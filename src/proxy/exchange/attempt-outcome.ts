import { EVENTS, type FailoverEvent } from '../../core/failover/next-step.ts';
import { isRenewable } from '../../core/keys/key.ts';
import { ConnectFailure } from '../../core/network/connect-failure.ts';
import { describeNetworkCode, networkCode } from '../../core/network/network-words.ts';
import { headerOf } from '../../core/text/raw-headers.ts';
import { namedWindowMs, parseErrorBody } from '../../core/verdicts/error-answer.ts';
import { parseRetryAfter } from '../../core/verdicts/retry.ts';
import { blameFor, judge } from '../../core/verdicts/verdict.ts';
import { ERRORS, KmiError } from '../../errors.ts';
import { errorText } from '../http/error-text.ts';
import type { AnswerHead } from '../http/headers.ts';
import { UpstreamSilence } from '../http/interruptions.ts';
import type { AttemptOutcome } from '../pool/cooldowns.ts';
import type { PoolEntry } from '../pool/pool-entry.ts';
import type { AttemptResult } from './attempt.ts';
import { keysAtDeadEnd } from './dead-end.ts';

/** What an attempt that the client has seen nothing of says about its key. */
export type JudgedResult = {
  readonly outcome: AttemptOutcome;
  /** The same, as `nextStep` wants to know it. */
  readonly event: FailoverEvent;
  /** The keys whose base URL leads to nothing, as this answer shows; null when it shows no such thing. */
  readonly deadEnd: readonly PoolEntry[] | null;
};

export type Judging = {
  readonly entry: PoolEntry;
  /** Epoch ms, as `now`. */
  readonly startedAt: number;
  readonly now: number;
  /** The keys that may serve, for a chat, whose path there must be. Null for any other request. */
  readonly enabled: readonly PoolEntry[] | null;
};

/** Judges an attempt that the client has seen nothing of. */
export function judgeResult(result: Exclude<AttemptResult, { kind: 'served' }>, judging: Judging): JudgedResult {
  return result.kind === 'failed' ? judgeSilence(result.error, judging) : judgeAnswer(result, judging);
}

function judgeSilence(error: Error, { startedAt }: Judging): JudgedResult {
  const isUnsent = error instanceof ConnectFailure;
  const isLasting = isUnsent && error.isLasting;
  return {
    outcome: { verdict: 'broken', status: null, retryAfterMs: null, windowMs: null, namesReason: true, startedAt, isUnsent },
    event: error instanceof KmiError ? EVENTS.badRequest : { kind: 'failed', isSocketDeath: isSocketDeath(error), isLasting },
    deadEnd: null,
  };
}

function judgeAnswer(
  { status, headers, body, isWhole }: Extract<AttemptResult, { kind: 'answered' }>,
  { entry, startedAt, now, enabled }: Judging,
): JudgedResult {
  const answer = parseErrorBody(status, errorText(body, headerOf(headers, 'content-encoding')), {
    contentType: headerOf(headers, 'content-type'),
    challenge: headerOf(headers, 'www-authenticate'),
  });
  const said = judge(answer);
  const deadEnd = enabled !== null && said === 'caller' ? keysAtDeadEnd(answer, entry, enabled) : null;
  // What broke off in the middle is no page of anybody's.
  const verdict = deadEnd !== null ? 'dead-end' : said === 'edge' && !isWhole ? 'broken' : said;
  const outcome: AttemptOutcome = {
    verdict,
    status,
    windowMs: namedWindowMs(answer.message),
    namesReason: answer.form !== 'bare',
    retryAfterMs: parseRetryAfter(headerOf(headers, 'retry-after'), now),
    startedAt,
    isUnsent: false,
  };
  const blame = blameFor(outcome);
  const isPenalized = blame === 'key' || blame === 'account';
  // A request that goes round in a circle: waiting can change nothing.
  const { login } = entry.key;
  const mayRenew = verdict === 'bad-key' && login !== undefined && isRenewable(login);
  const event = { kind: 'answered', verdict, isPenalized, isLasting: status === ERRORS.loop.http, mayRenew } as const;
  return { outcome, event, deadEnd };
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

/** Errors of a connection that had been established: a dead pooled socket shows as one of these. */
const SOCKET_DEATH = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'ETIMEDOUT', 'ENETRESET', 'ECONNABORTED']);

function isSocketDeath(error: Error): boolean {
  return SOCKET_DEATH.has(networkCode(error) ?? '');
}
