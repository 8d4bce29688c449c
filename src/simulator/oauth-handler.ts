import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { Exchange, readBody } from './exchange.ts';
import type { OAuthAnswer, SimulatedOAuth } from './oauth.ts';
import { type OAuthReply, replyWith } from './oauth-errors.ts';
import type { OAuthRequest, OAuthStep } from './oauth-record.ts';
import type { RequestRecord } from './record.ts';

type Surroundings = { readonly oauth: SimulatedOAuth; readonly record: RequestRecord; readonly open: Set<Exchange> };

const FOLDER = '/api/oauth/';

const GRANT_STEPS: ReadonlyMap<string | undefined, OAuthStep> = new Map([
  ['urn:ietf:params:oauth:grant-type:device_code', 'poll'],
  ['refresh_token', 'refresh'],
]);

/** The request is for the authorisation server, not for the API. */
export function isOAuth(request: IncomingMessage): boolean {
  return request.url?.startsWith(FOLDER) === true;
}

/** Answers a request to the authorisation server (docs/kimi-api.md#oauth-requests). */
export function receiveOAuth({ oauth, open, record }: Surroundings, request: IncomingMessage, response: ServerResponse): void {
  let entry: OAuthRequest | null = null;
  const exchange = new Exchange(request, response, (outcome) => {
    open.delete(exchange);
    if (entry !== null) {
      entry.ended = outcome;
      if (response.headersSent) entry.status = response.statusCode;
    }
    record.changed();
  });
  open.add(exchange);
  readBody(request, (body, complete) => {
    if (!complete) return;
    const endpoint = request.url?.split('?')[0]?.slice(FOLDER.length);
    const isKnown = endpoint === 'device_authorization' || endpoint === 'token';
    if (!isKnown || request.method !== 'POST') {
      send(exchange, isKnown ? replyWith(405, { message: 'Method Not Allowed' }) : replyWith(404, { message: 'Not Found' }));
      return;
    }
    const form = readForm(request.headers, body);
    const step = endpoint === 'token' ? (GRANT_STEPS.get(form?.grant_type) ?? 'other') : 'begin';
    const answer = oauth.take({ step, headers: request.headers, rawHeaders: request.rawHeaders, form });
    entry = answer.request;
    record.changed();
    deliver(exchange, answer, oauth.behaviour.latencyMs).catch((error: unknown) => {
      // A defect of the simulator must show in the test that met it, not take the process down.
      exchange.markBroken();
      response.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  });
}

async function deliver(exchange: Exchange, { reply }: OAuthAnswer, latencyMs: number): Promise<void> {
  if (reply === 'hang') return;
  if (latencyMs > 0) await exchange.pause(latencyMs);
  if (exchange.closed) return;
  if (reply === 'reset') await exchange.breakOff('reset');
  else send(exchange, reply);
}

function send({ response }: Exchange, { status, body, headers }: OAuthReply): void {
  const bytes = Buffer.from(body);
  const own = { 'content-type': 'application/json', 'cache-control': 'no-store', 'content-length': bytes.length };
  response.writeHead(status, { ...own, ...headers }).end(bytes);
}

function readForm(headers: IncomingHttpHeaders, body: Buffer): Record<string, string> | null {
  const [type = ''] = (headers['content-type'] ?? '').split(';');
  if (type.trim().toLowerCase() !== 'application/x-www-form-urlencoded') return null;
  return Object.fromEntries(new URLSearchParams(body.toString()));
}
