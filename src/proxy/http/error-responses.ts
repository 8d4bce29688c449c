import type { ServerResponse } from 'node:http';
import type { KmiError } from '../../errors.ts';

type Protocol = { readonly anthropic: boolean };

/** Anthropic's error types by status (its API reference, "Errors"). */
const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
};

/** An error of the proxy itself, in the protocol of the path. `message` and hint are one text: clients show only that. */
export function renderError(error: KmiError, { anthropic }: Protocol): string {
  const message = `${error.message} ${error.hint}`;
  return anthropic
    ? JSON.stringify({ type: 'error', error: { type: ANTHROPIC_TYPES[error.httpStatus] ?? 'api_error', message } })
    : JSON.stringify({ error: { message, type: 'kmi_error', code: error.code } });
}

/** Sends an error of the proxy as the answer; when the answer has begun already, breaks the connection instead. */
export function sendError(response: ServerResponse, error: KmiError, protocol: Protocol): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const body = renderError(error, protocol);
  sendJson(response, error.httpStatus, body, [
    ...(error.retryAfterSeconds === null ? [] : ['retry-after', String(error.retryAfterSeconds)]),
    // Which protocol to use instead must be said (RFC 9110 section 15.5.22).
    ...(error.httpStatus === 426
      ? ['upgrade', 'HTTP/1.1', 'connection', response.shouldKeepAlive ? 'Upgrade' : 'Upgrade, close']
      : []),
  ]);
}

function sendJson(response: ServerResponse, status: number, body: string, headers: readonly string[] = []): void {
  response.writeHead(status, [
    'content-type',
    'application/json; charset=utf-8',
    'content-length',
    String(Buffer.byteLength(body)),
    ...headers,
  ]);
  response.end(body);
}

/**
 * The last event of a stream that broke: the form each protocol's SDK turns into an exception. The connection is
 * aborted after it, because a clean end would look like a complete answer.
 */
export function renderStreamError(error: KmiError, protocol: Protocol): string {
  const body = renderError(error, protocol);
  return protocol.anthropic ? `event: error\ndata: ${body}\n\n` : `data: ${body}\n\n`;
}
