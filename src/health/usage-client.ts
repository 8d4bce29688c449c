import type { Dispatcher } from 'undici';
import type { Key } from '../core/keys/key.ts';
import type { KeyHealth } from '../core/quota/key-health.ts';
import { parseUsage } from '../core/quota/parse-usage.ts';
import type { Usage } from '../core/quota/quota.ts';
import { redact } from '../core/text/redact.ts';
import type { Clock } from '../core/text/time.ts';
import { type AnswerHead, parseErrorBody } from '../core/verdicts/error-answer.ts';
import { parseRetryAfter } from '../core/verdicts/retry.ts';
import { judge, type VerdictClass } from '../core/verdicts/verdict.ts';
import { describeAnswer, describeFailure, foreignText, notFoundHint, secondsText } from './usage-error.ts';

/**
 * One call's outcome. `status` is absent when no answer came; `isForeign`: an answer came, but from the network or a proxy on
 * the way (a sign-in page), so it says nothing about the key.
 */
export type FetchedHealth = KeyHealth & {
  readonly status?: number;
  readonly retryAfterMs?: number;
  readonly isForeign?: boolean;
  /** The answer refuses the key itself. */
  readonly refusesKey?: boolean;
};

export type FetchUsageOptions = {
  readonly now: Clock;
  /** For the whole call, connecting and reading included. Default 10 s. */
  readonly timeoutMs?: number;
  /** The connection pool of an origin. */
  readonly dispatcher: (origin: string) => Dispatcher;
  readonly signal?: AbortSignal;
};

const TIMEOUT_MS = 10_000;
const MAX_BODY_BYTES = 1024 * 1024;

/**
 * Asks the upstream how much quota a key has left: `GET {baseUrl}/usages` with nothing but the credential and `Accept`
 * (docs/kimi-api.md#usages). Follows no redirect, reads at most 1 MiB. Never throws: what goes wrong is the `error` of
 * the answer.
 */
export async function fetchUsage(key: Key, options: FetchUsageOptions): Promise<FetchedHealth> {
  const { now, timeoutMs = TIMEOUT_MS, signal } = options;
  const abort = new AbortController();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    abort.abort();
  }, timeoutMs);
  const onAbort = (): void => abort.abort();
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted === true) abort.abort();
  try {
    return await call(key, options, abort.signal);
  } catch (error) {
    const text = timedOut
      ? `timeout after ${secondsText(timeoutMs)}`
      : abort.signal.aborted
        ? 'cancelled'
        : describeFailure(error, key.value);
    return { usage: null, error: text, fetchedAt: now() };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

/** The health of every key in dry-run, where nothing is called: all quota left (docs/kmi-manager.md#reading-quota). */
export function dryRunHealth(now: number): KeyHealth {
  const window = {
    label: 'dry-run',
    remainingShare: 1,
    used: null,
    limit: null,
    resetsAt: null,
    resetHint: null,
    durationMs: null,
  };
  const usage: Usage = { windows: [window], remainingShare: 1, walletCents: null, parallelLimit: null, plan: null };
  return { usage, error: null, fetchedAt: now };
}

async function call(key: Key, { now, dispatcher }: FetchUsageOptions, signal: AbortSignal): Promise<FetchedHealth> {
  const askedAt = now();
  const url = new URL(`${key.baseUrl}/usages`);
  const response = await dispatcher(url.origin).request({
    origin: url.origin,
    path: `${url.pathname}${url.search}`,
    method: 'GET',
    headers: { authorization: `Bearer ${key.value}`, accept: 'application/json' },
    signal,
    // The timer of `fetchUsage` is the only one.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const status = response.statusCode;
  const body = await readBounded(response.body);
  const at = now();
  const header = (name: string): string | undefined => {
    const value = response.headers[name];
    return Array.isArray(value) ? value[0] : value;
  };
  const head = { contentType: header('content-type'), challenge: header('www-authenticate') };
  if (isPage(status, body.text, head)) {
    return { usage: null, error: foreignText(status), fetchedAt: at, askedAt, status, isForeign: true };
  }
  const retryAfterMs = status < 400 ? null : parseRetryAfter(header('retry-after'), at);
  const verdict = status >= 400 ? judge(parseErrorBody(status, body.text, head)) : 'served';
  const isForeign = FOREIGN.includes(verdict);
  const answer = readAnswer(status, body, key.value, at);
  if (status === 404 && !isForeign) answer.error = `${answer.error} (${notFoundHint(url)})`;
  return {
    ...answer,
    fetchedAt: at,
    askedAt,
    status,
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
    ...(isForeign ? { isForeign } : {}),
    ...(verdict === 'bad-key' ? { refusesKey: true } : {}),
  };
}

/** `/usages` never redirects and has no pages: such an answer comes from something in between. */
function isPage(status: number, text: string, head: AnswerHead): boolean {
  if (status >= 300 && status < 400) return true;
  const { form, message } = parseErrorBody(status, text, head);
  return form === 'page' && (status >= 400 || message.startsWith('<'));
}

const FOREIGN: readonly VerdictClass[] = ['foreign', 'edge'];

type Body = { readonly text: string; readonly complete: boolean };

async function readBounded(body: Dispatcher.ResponseData['body']): Promise<Body> {
  // Leaving the loop early destroys the stream, which then reports an abort. Ignore it.
  body.on('error', () => {});
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) return { text: Buffer.concat(chunks).toString('utf8'), complete: false };
    chunks.push(chunk);
  }
  return { text: Buffer.concat(chunks).toString('utf8'), complete: true };
}

function readAnswer(status: number, body: Body, secret: string, now: number): { usage: Usage | null; error: string | null } {
  if (status < 200 || status > 299) return { usage: null, error: describeAnswer(status, body.text, secret) };
  if (!body.complete) return { usage: null, error: 'answer larger than 1 MiB' };
  let payload: unknown;
  try {
    // Labels and plan names are kept and shown: a key that the upstream echoes must be out of them before they are clipped.
    // Normalized first, because JSON has many ways to write one text.
    payload = JSON.parse(redact(JSON.stringify(JSON.parse(body.text)), [JSON.stringify(secret).slice(1, -1)]));
  } catch {
    return { usage: null, error: 'not JSON' };
  }
  const usage = parseUsage(payload, now);
  return usage === null ? { usage: null, error: 'no usage in the answer' } : { usage, error: null };
}
