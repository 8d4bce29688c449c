import type { IncomingMessage, ServerResponse } from 'node:http';
import { findNamedSession, formatSession, headersIn } from '../core/session.ts';
import type { TokenUsage } from '../core/token-usage.ts';
import { KmiError, reasonOf } from '../errors.ts';
import { type Affinity, NO_AFFINITY } from './affinity.ts';
import type { Leftover } from './afterwards.ts';
import type { AnswerSink, AttemptRequest } from './attempt.ts';
import { Departure } from './departure.ts';
import { answerDryRun } from './dry-run-answer.ts';
import { errorAnswerFor } from './error-answer.ts';
import { Failover, type FailoverRequest, type FailoverResult } from './failover.ts';
import { noteUpload, UploadedIdSink } from './file-answers.ts';
import { type RequestHead, withCredential } from './headers.ts';
import { ClientLeft, UpstreamSilence } from './interruptions.ts';
import type { PoolEntry } from './key-pool.ts';
import { type ForwardingParts, type Line, lineOf, type Refuse } from './line.ts';
import { sendError } from './own-answers.ts';
import { type BodyText, PackedText, unpackersFor } from './packed-text.ts';
import { readAffinity } from './read-affinity.ts';
import { Relay } from './relay.ts';
import { RequestBody } from './request-body.ts';
import { nextRequestId } from './request-id.ts';
import { summarisePrompt } from './request-summary.ts';
import { traceOf } from './request-trace.ts';
import type { Route } from './route.ts';
import { TappedSink } from './tapped-sink.ts';
import type { AnswerUsage } from './usage-tap.ts';

const NO_PROMPT = { hint: '', head: '' };

/** Takes an admitted request to the upstream and its answer back. Throws what refuses a request at once. */
export type Forward = (request: IncomingMessage, response: ServerResponse, head: RequestHead, route: Route) => void;

/**
 * Makes the function that forwards. `refuse` gets the requests that fail on the way for a reason of the proxy's own; `finish`
 * enters what is not in the books yet, before they are closed.
 */
export function createForwarding(parts: ForwardingParts, refuse: Refuse): { forward: Forward; finish(): Promise<void> } {
  const line = lineOf(parts, refuse);
  parts.pool.keeper.catchUp = () => line.afterwards.catchUp();
  return {
    forward: (request, response, head, route) => new Exchange(line, request, response, head, route).start(),
    finish: () => line.afterwards.finish(),
  };
}

/** One request and its answer, from the client to the upstream, back, and into the books. */
class Exchange implements FailoverRequest, Leftover {
  readonly body: RequestBody;
  readonly sink: AnswerSink;
  readonly client = new Departure();
  affinity: Affinity = NO_AFFINITY;
  readonly #line: Line;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #head: RequestHead;
  readonly #route: Route;
  readonly #startedAt: number;
  #latencyMs = 0;
  #result: FailoverResult | null = null;
  /** For a body that came compressed: what it says. */
  readonly #packed: PackedText | null;
  readonly #relay: Relay;
  /** Null where no answer states usage. */
  readonly #tapped: TappedSink | null;
  /** Null for all but uploads. */
  readonly #uploaded: UploadedIdSink | null;

  constructor(line: Line, request: IncomingMessage, response: ServerResponse, head: RequestHead, route: Route) {
    this.#line = line;
    this.#request = request;
    this.#response = response;
    this.#head = head;
    this.#route = route;
    this.#startedAt = line.clock();
    this.body = new RequestBody(request, head, line.limits);
    const unpackers = unpackersFor(head.contentEncoding);
    this.#packed = unpackers === null ? null : new PackedText(this.body, unpackers, line.limits, line.unpackingTurns);
    this.#relay = new Relay(response, route.isAnthropic);
    const protocol = request.method === 'POST' && line.dryRun === null ? route.usageProtocol : null;
    this.#tapped = protocol === null ? null : new TappedSink(this.#relay, protocol);
    this.#uploaded = request.method === 'POST' && route.endpoint === '/files' ? new UploadedIdSink(this.#relay) : null;
    this.sink = this.#tapped ?? this.#uploaded ?? this.#relay;
  }

  start(): void {
    this.#line.loops.began();
    this.#response.on('close', () => this.#closed());
    this.body.whenReady(this);
  }

  #closed(): void {
    this.#line.loops.ended();
    this.body.release();
    this.#packed?.release();
    if (this.#response.writableFinished) return;
    this.body.abandon();
    this.client.leave();
  }

  bodyReady(): void {
    try {
      const { failure } = this.body;
      const { dryRun } = this.#line;
      if (failure instanceof ClientLeft || this.client.hasLeft) this.ended(LEFT_EARLY);
      else if (failure !== null) this.crashed(failure);
      else if (!this.#isTied()) this.#text.whenSettled(this);
      else if (dryRun === null) new Failover(this.#line, this).start();
      else if (!this.body.isSettled) this.body.whenSettled(this);
      else this.ended(answerDryRun(this.#line.pool, dryRun, this.#request, this.#response, this.#route, this));
    } catch (error) {
      this.crashed(error);
    }
  }

  get #text(): BodyText {
    return this.#packed ?? this.body;
  }

  /** Whether it is known what ties the request to an account; else the rest of the body must come first. */
  #isTied(): boolean {
    const { pool, places } = this.#line;
    if (!pool.keepsSessions && !pool.knowsFiles) return true;
    const affinity = readAffinity(pool, this.#request, this.#route, this.#text, places);
    if (affinity !== null) this.affinity = affinity;
    return affinity !== null;
  }

  get isChat(): boolean {
    const { endpoint } = this.#route;
    return this.#request.method === 'POST' && (endpoint === '/chat/completions' || endpoint === '/messages');
  }

  requestFor(entry: PoolEntry): AttemptRequest {
    const { origin, basePath, anthropicBasePath, isStrange } = this.#line.targets.of(entry.key.baseUrl);
    const bytes = this.body.forAttempt();
    const headers = withCredential(this.#head, entry.credential, bytes === null ? null : this.body.lengthToSend);
    if (isStrange && this.#line.loops.mayLoop) headers.push('via', this.#line.loops.mark);
    this.#relay.key = entry.credential.value;
    return {
      origin,
      path: this.#route.pathAt(this.#route.isAnthropic ? anthropicBasePath : basePath),
      method: this.#request.method ?? 'GET',
      headers,
      body: bytes,
      headersTimeout: 0,
      bodyTimeout: 0,
    };
  }

  crashed(error: unknown): void {
    this.#line.refuse(this.#request, this.#response, error);
  }

  ended(attempted: FailoverResult): void {
    try {
      const result = this.#forClient(attempted);
      this.#finish(result);
      this.body.drop();
      if (this.#uploaded !== null) noteUpload(this.#line.pool, result, this.#uploaded);
      this.#result = result;
      this.#latencyMs = this.#line.clock() - this.#startedAt;
      this.#line.afterwards.add(this, this.body.received);
    } catch (error) {
      this.crashed(error);
    }
  }

  /** An error of the upstream as the client gets it; every other end as it is. */
  #forClient(result: FailoverResult): FailoverResult {
    const { entry, end } = result;
    if (end.kind !== 'relay' || entry === null) return result;
    const context = { verdict: end.verdict, entry, head: this.#head, route: this.#route, now: this.#line.clock() };
    return { ...result, end: { ...end, answer: errorAnswerFor(end.answer, context), upstreamStatus: end.answer.status } };
  }

  #finish({ entry, end }: FailoverResult): void {
    const response = this.#response;
    switch (end.kind) {
      case 'left':
        return;
      case 'no-key':
      case 'unreachable':
        sendError(response, end.error, { anthropic: this.#route.isAnthropic });
        return;
      case 'relay':
        this.#relay.whole(end.answer);
        return;
      case 'served':
        // A whole answer has been ended by the relay.
        if (end.brokenBy === null || response.destroyed || end.brokenBy instanceof ClientLeft) return;
        this.#breakOff(end.brokenBy, entry);
    }
  }

  #breakOff(error: Error, entry: PoolEntry | null): void {
    // The request turned out too large while the answer was under way: the caller's fault.
    if (error instanceof KmiError) {
      this.#relay.breakOff(error);
      return;
    }
    const silent = error instanceof UpstreamSilence;
    this.#relay.breakOff(
      silent
        ? new KmiError('upstream_timeout', error.message)
        : new KmiError('upstream_unreachable', 'The upstream broke off in the middle of its answer.', {
            hint: 'Send the request again.',
          }),
    );
    if (entry === null) return;
    const { ledger, log, clock } = this.#line;
    ledger.brokeOff(entry.key.label, clock());
    log.warn('An answer broke off in the middle.', {
      key_label: entry.key.label,
      reason: silent ? 'silence' : 'connection lost',
    });
  }

  /** The token books and the trace. A request or an answer that was compressed is read aside and entered when that is done. */
  doAfterwards(): void | Promise<void> {
    const result = this.#result as FailoverResult;
    const said = this.#tapped !== null && result.end.kind === 'served' ? this.#tapped.read() : null;
    if (this.#packed !== null) return Promise.all([said, this.#packed.read()]).then(([read]) => this.#enter(result, read));
    if (said instanceof Promise) return said.then((read) => this.#enter(result, read));
    this.#enter(result, said);
  }

  #enter(result: FailoverResult, said: AnswerUsage | null): void {
    try {
      const session = said === null ? null : this.#sessionName();
      if (said !== null && result.entry !== null) this.#enterUsage(result.entry, said, session);
      this.#enterTrace(result, said?.usage ?? null, session);
    } catch (error) {
      this.#line.log.error('A request could not be written down.', { reason: reasonOf(error) });
    }
  }

  #sessionName(): string | null {
    const { affinity } = this;
    const session = affinity.hasLooked
      ? affinity.session
      : findNamedSession(headersIn(this.#request.rawHeaders), this.#text.held, this.#line.places);
    return session === null ? null : formatSession(session.id);
  }

  #enterUsage(entry: PoolEntry, { model, usage }: AnswerUsage, session: string | null): void {
    if (usage !== null) this.#line.pool.keeper.used(this.affinity, entry, usage.input);
    const account = entry.state.account?.id ?? null;
    this.#line.usage.record({ at: this.#startedAt, keyLabel: entry.key.label, account, model, session, usage });
  }

  #enterTrace(result: FailoverResult, usage: TokenUsage | null, session: string | null): void {
    const { config, ledger, trace, stamp } = this.#line;
    const { method = 'GET' } = this.#request;
    const facts = {
      ts: stamp(this.#startedAt),
      requestId: nextRequestId(),
      method,
      endpoint: this.#route.traced,
      latencyMs: this.#latencyMs,
      rotationIndex: ledger.store.state.rotationIndex,
      prompt: config.tracePrompts && method === 'POST' ? summarisePrompt(this.#text.held) : NO_PROMPT,
      usage,
      session,
      dryRun: this.#line.dryRun !== null,
    };
    trace.record(traceOf(facts, result));
  }
}

const LEFT_EARLY: FailoverResult = Object.freeze({ entry: null, choice: null, failures: [], end: { kind: 'left' } });
