import type { IncomingMessage, ServerResponse } from 'node:http';
import type { SimulatedAccount } from './account.ts';
import { type Answer, answerError, lengthOf } from './answer.ts';
import { deliver, deliverRaw } from './deliver.ts';
import { readBody } from './exchange.ts';
import type { Fault } from './faults.ts';
import { isOAuth, receiveOAuth } from './oauth-handler.ts';
import { answerStranger } from './plain.ts';
import { answerQuestion, breakStream } from './reply.ts';
import { beginVisit, noteSent, type Surroundings, type Visit } from './visit.ts';

/** Makes the listener: a request is recorded, its account found, then struck by a planned fault or answered. */
export function createHandler(surroundings: Surroundings): (request: IncomingMessage, response: ServerResponse) => void {
  const { record } = surroundings;
  let count = 0;
  return (request, response) => {
    if (isOAuth(request)) {
      receiveOAuth(surroundings, request, response);
      return;
    }
    count += 1;
    const visit = beginVisit(surroundings, request, response, count);
    const fault = visit.account?.faults.draw(visit.route, request.headers) ?? null;
    if (fault?.kind === 'refuse') {
      visit.exchange.markBroken();
      request.socket.resetAndDestroy();
      return;
    }
    readBody(request, (body, complete) => {
      if (visit.received !== null) visit.received.body = body;
      record.changed();
      if (!complete || (fault?.kind === 'hang' && fault.inStreamAfterChunks === null)) return;
      respond(surroundings, visit, fault, body).catch((error: unknown) => {
        // A defect of the simulator must show in the test that met it, not take the process down.
        visit.exchange.markBroken();
        response.destroy(error instanceof Error ? error : new Error(String(error)));
      });
    });
  };
}

async function respond(surroundings: Surroundings, visit: Visit, fault: Fault | null, body: Buffer): Promise<void> {
  if (fault?.kind === 'raw') {
    if (await beforeHeaders(surroundings, visit, fault.answer.status ?? 200)) await deliverRaw(visit.exchange, fault.answer);
    return;
  }
  const { account, exchange, protocol } = visit;
  // Decided on arrival, so that what waits out the latency counts as in flight and is paid for.
  const answer =
    account === null
      ? answerStranger({ body, protocol, route: visit.route })
      : judge(account, visit, fault, body, surroundings.clock());
  // Only a stream can fall silent half way; a refusal comes whole.
  if (fault?.kind === 'hang' && answer.body.kind === 'whole' && visit.chat !== null) return;
  if (!(await beforeHeaders(surroundings, visit, answer.status))) return;
  const headers = [...answer.headers, ...identityHeaders(visit.number, account?.name ?? 'nobody')];
  const behaviour = account?.behaviour;
  await deliver(
    exchange,
    { ...answer, headers },
    {
      firstByteDelayMs: behaviour?.firstByteDelayMs ?? 0,
      chunkPauseMs: behaviour?.chunkPauseMs ?? 0,
      gzip: behaviour?.gzip === true && /\bgzip\b/i.test(String(exchange.request.headers['accept-encoding'] ?? '')),
      resetAfterBytes: resetPoint(visit, fault, answer),
      hangAfterChunks: fault?.kind === 'hang' ? fault.inStreamAfterChunks : null,
    },
    (text) => noteSent(visit, text),
  );
}

/** Waits out the latency and writes down the status; false when the client has left meanwhile. */
async function beforeHeaders({ record }: Surroundings, visit: Visit, status: number): Promise<boolean> {
  const { account, exchange, received } = visit;
  if (account !== null && account.behaviour.latencyMs > 0) await exchange.pause(account.behaviour.latencyMs);
  if (exchange.closed) return false;
  if (received !== null) {
    received.status = status;
    record.changed();
  }
  return true;
}

/** The account's answer, with the error of a fault in its place or inside it. */
function judge(account: SimulatedAccount, visit: Visit, fault: Fault | null, body: Buffer, now: number): Answer {
  const { protocol, route } = visit;
  if (fault?.kind === 'error' && fault.inStreamAfterChunks === null) return answerError(fault.error, protocol);
  const { accept, 'content-type': contentType, 'user-agent': userAgent } = visit.exchange.request.headers;
  const { answer, chat } = answerQuestion(account, { route, protocol, body, accept, contentType, userAgent, now });
  if (chat !== null) {
    visit.chat = chat;
    account.inFlight += 1;
  }
  if (fault?.kind !== 'error' || fault.inStreamAfterChunks === null) return answer;
  visit.failsInStream = answer.body.kind === 'stream';
  return breakStream(answer, fault.error, fault.inStreamAfterChunks, protocol);
}

function resetPoint({ account, route }: Visit, fault: Fault | null, answer: Answer): number | null {
  if (fault?.kind === 'reset') return fault.afterBytes ?? Math.ceil(lengthOf(answer) / 2);
  // What a health check asks stays whole, so that only the traffic breaks.
  if (route === 'usages' || route === 'me') return null;
  return account?.behaviour.resetAfterBytes ?? null;
}

/** On every answer that is not raw: two cookies, which must be neither merged nor kept, and the trace id support asks for. */
function identityHeaders(number: number, account: string): string[] {
  return [
    'set-cookie',
    `sim_session=${number}; Path=/; HttpOnly`,
    'set-cookie',
    `sim_route=${encodeURIComponent(account)}; Path=/`,
    'x-trace-id',
    `sim-${number}`,
  ];
}
