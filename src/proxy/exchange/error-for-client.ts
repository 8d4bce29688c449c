import { STATUS_CODES } from 'node:http';
import { headerOf } from '../../core/text/raw-headers.ts';
import { cooldownCeilingMs } from '../../core/verdicts/penalty.ts';
import { parseRetryAfter } from '../../core/verdicts/retry.ts';
import { KmiError } from '../../errors.ts';
import type { CollectedAnswer } from '../http/answer.ts';
import { renderError } from '../http/error-responses.ts';
import { errorText } from '../http/error-text.ts';
import type { RequestHead } from '../http/headers.ts';
import type { Route } from '../http/route.ts';
import type { AttemptOutcome } from '../pool/cooldowns.ts';
import type { PoolEntry } from '../pool/pool-entry.ts';
import { maskAnswer, withoutHeaders } from './masked-answer.ts';

/** An error answer of the upstream on its way to the client. */
export type ErrorContext = {
  readonly outcome: AttemptOutcome;
  readonly entry: PoolEntry;
  /** The key or token that was sent. */
  readonly sent: string;
  readonly head: RequestHead;
  readonly route: Route;
  readonly now: number;
};

/**
 * The error answer as the client gets it: as it came, but for the three things a client must not be told. An echo of the key
 * is masked; a `Retry-After` is no longer than such a cooldown can be; and a 401 about the proxy's key is none, for the client
 * would take it as being about its own login and renew that.
 */
export function errorForClient(answer: CollectedAnswer, context: ErrorContext): CollectedAnswer {
  const masked = boundRetryAfter(maskAnswer(answer, context.sent), context);
  return answer.status === 401 && context.outcome.verdict !== 'foreign' && !isClientsOwn(context)
    ? aboutTheKey(masked, context)
    : masked;
}

/** Waits of a name that is known to be believed by clients: seconds or a date, and milliseconds. */
const RETRY_HEADERS = ['retry-after', 'retry-after-ms'];

function boundRetryAfter(answer: CollectedAnswer, { outcome, now }: ErrorContext): CollectedAnswer {
  const ceilingMs = cooldownCeilingMs(outcome.verdict, outcome.windowMs);
  const { headers } = answer;
  let bounded: string[] | null = null;
  for (let n = 0; n < headers.length; n += 2) {
    const name = RETRY_HEADERS.indexOf((headers[n] as string).toLowerCase());
    if (name === -1) continue;
    const value = headers[n + 1] as string;
    const ms = name === 0 ? parseRetryAfter(value, now) : Number(value);
    if (ms === null || !(ms > ceilingMs)) continue;
    bounded ??= [...headers];
    bounded[n + 1] = String(name === 0 ? ceilingMs / 1000 : ceilingMs);
  }
  return bounded === null ? answer : { ...answer, headers: bounded };
}

/**
 * The client sent the very key that was refused, as one does whose config `kmi rotate` writes: it is told so. Not of a login that it
 * shares, which it would renew although kmi does.
 */
function isClientsOwn({ head, entry, sent: value }: ErrorContext): boolean {
  if (entry.key.login !== undefined) return false;
  return head.apiKeys.includes(value) || head.authorization.some((sent) => sent.replace(/^bearer +/i, '') === value);
}

/** What clients read at start and beside their work. They take a 403 there as being about their login too, a 503 never. */
const READ_ASIDE = new Set(['/models', '/usages', '/me']);
const NOT_OF_THE_KEY = ['www-authenticate', 'content-type', 'content-length', 'content-encoding', 'etag', 'retry-after'];
const TEXT_MAX_CHARS = 4096;

function aboutTheKey(answer: CollectedAnswer, { outcome, entry, route }: ErrorContext): CollectedAnswer {
  const said = messageOf(errorText(answer.body, headerOf(answer.headers, 'content-encoding')));
  const what = outcome.verdict === 'no-model' ? 'refused this model to' : 'refused';
  const text =
    outcome.verdict === 'login-over'
      ? `The proxy's login ${entry.key.label} has expired. Renew it with \`kmi login\` on the machine of the proxy.`
      : `The upstream ${what} the proxy's key ${entry.key.label} (401): ${said}`;
  const error = new KmiError(READ_ASIDE.has(route.endpoint) ? 'account_refused' : 'key_refused', text);
  const body = Buffer.from(renderError(error, { anthropic: route.isAnthropic }));
  const headers = withoutHeaders(answer.headers, NOT_OF_THE_KEY);
  headers.push('content-type', 'application/json; charset=utf-8', 'content-length', String(body.length));
  return { ...answer, status: error.httpStatus, reason: STATUS_CODES[error.httpStatus] ?? '', headers, body, isWhole: true };
}

function messageOf(text: string): string {
  let message: unknown = null;
  try {
    const { error, message: ownMessage, detail } = JSON.parse(text) as Record<string, unknown>;
    const inner = typeof error === 'object' && error !== null ? (error as Record<string, unknown>).message : error;
    message = [inner, ownMessage, detail].find((one) => typeof one === 'string');
  } catch {
    // No JSON: the text is the message.
  }
  const said = (typeof message === 'string' ? message : text).trim().slice(0, TEXT_MAX_CHARS) || 'no reason given';
  return /[.!?。]$/.test(said) ? said : `${said}.`;
}
