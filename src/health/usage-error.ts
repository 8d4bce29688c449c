import { fieldOf, type JsonRecord, recordOf } from '../core/json-value.ts';
import { oneLine } from '../core/one-line.ts';
import { redact } from '../core/redact.ts';
import { reasonOf } from '../errors.ts';

/** As much of the upstream's words as a line of `kmi health` can hold. */
const MAX_CHARS = 200;

/** The words for an answer that is no success: "HTTP 401: <the upstream's message>", less the secret. */
export function describeAnswer(status: number, body: string, secret: string): string {
  const message = clean(messageOf(body), secret);
  return message === '' ? `HTTP ${status}` : `HTTP ${status}: ${message}`;
}

/** The words for an answer that is not the upstream's own. */
export function foreignText(status: number): string {
  const what = status >= 300 && status < 400 ? 'a redirect' : 'a page';
  return `HTTP ${status}: ${what} of the network or of a proxy on the way, not Kimi's answer`;
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection lost',
  EPIPE: 'connection lost',
  UND_ERR_SOCKET: 'connection lost',
  ENOTFOUND: 'host not found',
  EAI_AGAIN: 'host not found (no name server answers)',
  ENETUNREACH: 'network unreachable',
  EHOSTUNREACH: 'host unreachable',
  ETIMEDOUT: 'timeout while connecting',
  UND_ERR_CONNECT_TIMEOUT: 'timeout while connecting',
};

/** The words for a call that got no answer. */
export function describeFailure(error: unknown, secret: string): string {
  const reason = reasonOf(error);
  if (Object.hasOwn(WORDS, reason)) return WORDS[reason] ?? reason;
  if (error instanceof Error && error.name === 'HTTPParserError') return 'the answer is not HTTP';
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS|ERR_SSL/.test(reason)) return `TLS failed (${reason})`;
  return clean(reason === 'UND_ERR_INVALID_ARG' && error instanceof Error ? error.message : reason, secret);
}

/** "10 s", "0.25 s". */
export function secondsText(ms: number): string {
  return `${ms / 1000} s`;
}

function clean(text: string, secret: string): string {
  return oneLine(redact(text, [secret]), MAX_CHARS);
}

function messageOf(body: string): string {
  const text = body.trimStart();
  try {
    const payload: unknown = JSON.parse(text);
    return messageIn(recordOf(payload)) ?? text;
  } catch {
    return text;
  }
}

/** Both protocols' envelopes hold `error.message`; gateways in between answer `message`, `detail` or a bare `error`. */
function messageIn(record: JsonRecord | null): string | null {
  const message = fieldOf(recordOf(fieldOf(record, 'error')), 'message') ?? fieldOf(record, 'message', 'detail', 'error');
  return typeof message === 'string' ? message : null;
}
