import type { IncomingMessage } from 'node:http';
import { type RequestHead, withCredential } from '../http/headers.ts';
import type { Route } from '../http/route.ts';
import type { PoolEntry } from '../pool/pool-entry.ts';
import type { AttemptPlan } from './attempt.ts';
import type { ExchangeParts } from './exchange-parts.ts';
import type { RequestBody } from './request-body.ts';

/** A client's request, as it is sent up with one key after another. */
export type ClientRequest = {
  readonly request: IncomingMessage;
  readonly head: RequestHead;
  readonly route: Route;
  readonly body: RequestBody;
};

/** The call to the upstream of this key. Throws when it cannot be made. */
export function planOf(
  { targets, upstreams, loops }: ExchangeParts,
  { request, head, route, body }: ClientRequest,
  entry: PoolEntry,
  startedAt: number,
): AttemptPlan {
  const { origin, basePath, anthropicBasePath, isStrange } = targets.of(entry.key.baseUrl);
  const bytes = body.forAttempt();
  const headers = withCredential(head, entry.credential, bytes === null ? null : body.lengthToSend);
  if (isStrange && loops.mayLoop) headers.push('via', loops.mark);
  return {
    entry,
    startedAt,
    // What cannot be sent twice does not go over a connection that may have died while it was idle.
    dispatcher: body.canReplay ? upstreams.for(origin) : upstreams.forOne(origin),
    request: {
      origin,
      path: route.pathAt(route.isAnthropic ? anthropicBasePath : basePath),
      method: request.method ?? 'GET',
      headers,
      body: bytes,
      headersTimeout: 0,
      bodyTimeout: 0,
    },
  };
}
