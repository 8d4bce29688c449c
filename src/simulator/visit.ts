import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../core/text/time.ts';
import type { SimulatedAccount } from './account.ts';
import type { Chat } from './chat.ts';
import type { Protocol } from './errors.ts';
import { Exchange, type Outcome } from './exchange.ts';
import type { SimulatedOAuth } from './oauth.ts';
import type { ReceivedRequest, RequestRecord } from './record.ts';
import { findRoute, protocolOf, type Route, readKey } from './routes.ts';
import { type Stated, statedIn, writeDown } from './stated.ts';

/** What a request meets. */
export type Surroundings = {
  readonly basePath: string;
  readonly clock: Clock;
  readonly accounts: { byKey(key: string): SimulatedAccount | null };
  readonly oauth: SimulatedOAuth;
  readonly record: RequestRecord;
  /** Keep the requests themselves; without it only the books are kept. */
  readonly keepRequests: boolean;
  readonly open: Set<Exchange>;
};

/** A request on its way through the simulator. */
export type Visit = {
  readonly exchange: Exchange;
  /** Null for an unknown key. */
  readonly account: SimulatedAccount | null;
  readonly route: Route;
  readonly protocol: Protocol;
  readonly received: ReceivedRequest | null;
  /** Counts from 1 for the simulator. */
  readonly number: number;
  /** The chat being answered, once the account has accepted one. */
  chat: Chat | null;
  /** The answer ends with an error event. */
  failsInStream: boolean;
  /** What the answer has stated of its tokens so far. */
  stated: Stated | null;
};

/** Opens the visit: who asks for what. The books are settled when the response closes. */
export function beginVisit(
  surroundings: Surroundings,
  request: IncomingMessage,
  response: ServerResponse,
  number: number,
): Visit {
  const url = request.url ?? '/';
  const method = request.method ?? 'GET';
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const protocol = protocolOf(path);
  const xApiKey = request.headers['x-api-key'];
  const key = readKey(request.headers.authorization, typeof xApiKey === 'string' ? xApiKey : undefined, protocol);
  const account = key === null ? null : (surroundings.accounts.byKey(key) ?? surroundings.oauth.accountOf(key));
  const received: ReceivedRequest | null = surroundings.keepRequests
    ? {
        method,
        url,
        path,
        query: mark < 0 ? '' : url.slice(mark + 1),
        rawHeaders: request.rawHeaders,
        headers: request.headers,
        body: Buffer.alloc(0),
        account: account?.name ?? null,
        key,
        startedAt: surroundings.clock(),
        endedAt: null,
        status: null,
        aborted: false,
        stated: null,
      }
    : null;
  const visit: Visit = {
    exchange: new Exchange(request, response, (outcome) => endVisit(surroundings, visit, outcome)),
    account,
    route: findRoute(method, path, surroundings.basePath),
    protocol,
    received,
    number,
    chat: null,
    failsInStream: false,
    stated: null,
  };
  surroundings.open.add(visit.exchange);
  if (received !== null) surroundings.record.received.push(received);
  surroundings.record.changed();
  return visit;
}

/** A part of the answer's body, before any encoding, has been handed to the socket. */
export function noteSent(visit: Visit, text: string): void {
  const { account, received } = visit;
  const statement = visit.chat === null ? null : statedIn(text);
  if (account === null || statement === null) return;
  writeDown(account.stated, statement, visit.stated);
  visit.stated = statement;
  if (received !== null) received.stated = statement;
}

function endVisit(surroundings: Surroundings, visit: Visit, outcome: Outcome): void {
  const { exchange, received } = visit;
  surroundings.open.delete(exchange);
  settleBooks(visit, outcome);
  if (received !== null) {
    received.endedAt = surroundings.clock();
    received.aborted = outcome === 'aborted';
    if (exchange.response.headersSent) received.status = exchange.response.statusCode;
  }
  surroundings.record.changed();
}

function settleBooks({ account, chat, exchange, failsInStream, route }: Visit, outcome: Outcome): void {
  if (account === null || (route !== 'chat' && route !== 'messages' && route !== 'responses')) return;
  const { books } = account;
  if (outcome !== 'served') books[outcome] += 1;
  else if (failsInStream) books.broken += 1;
  else if (exchange.response.statusCode < 400) books.served += 1;
  else books.refused += 1;
  if (chat === null) return;
  account.inFlight -= 1;
  const tokens = chat.content.length + chat.reasoning.length;
  // The first event of a stream carries no token.
  const sent = Math.min(tokens, Math.max(0, exchange.chunksSent - 1));
  books.outputTokens += outcome === 'served' && !failsInStream ? tokens : sent;
}
