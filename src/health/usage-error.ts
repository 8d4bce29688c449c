import { fieldOf, type JsonRecord, recordOf } from '../core/json/json-value.ts';
import { ConnectFailure } from '../core/network/connect-failure.ts';
import { kimiProductAt } from '../core/network/kimi-hosts.ts';
import { describeNetworkCode, networkCode } from '../core/network/network-words.ts';
import { oneLine } from '../core/text/one-line.ts';
import { redact } from '../core/text/redact.ts';

/** As much of the upstream's words as a line of `kmi health` can hold. */
const MAX_CHARS = 200;
/** The words for a way that is closed say what to change, too. */
const MAX_ADVICE_CHARS = 400;

/** The words for an answer that is no success: "HTTP 401: <the upstream's message>", less the secret. */
export function describeAnswer(status: number, body: string, secret: string): string {
  const message = clean(messageOf(body), secret);
  return message === '' ? `HTTP ${status}` : `HTTP ${status}: ${message}`;
}

/** What a 404 at `/usages` suggests. */
export function notFoundHint({ hostname, origin, pathname }: URL): string {
  if (kimiProductAt(hostname) === 'platform') return 'the Open Platform has no /usages';
  return `is its base URL right? ${origin}${pathname.replace(/\/usages$/, '')}`;
}

/** The words for an answer that is not the upstream's own. */
export function foreignText(status: number): string {
  const what = status >= 300 && status < 400 ? 'a redirect' : 'a page';
  return `HTTP ${status}: ${what} of the network or of a proxy on the way, not Kimi's answer`;
}

/** The words for a call that got no answer. */
export function describeFailure(error: unknown, secret: string): string {
  if (error instanceof ConnectFailure) return oneLine(`${error.message} ${error.hint}`, MAX_ADVICE_CHARS);
  const code = networkCode(error);
  if (code === null || code === 'UND_ERR_INVALID_ARG')
    return clean(error instanceof Error ? error.message : String(error), secret);
  return clean(describeNetworkCode(code), secret);
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
