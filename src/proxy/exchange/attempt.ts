import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import type { AnswerSink, CollectedAnswer } from '../http/answer.ts';
import type { ClientAbortListener } from '../http/client-abort.ts';
import { type AnswerHead, readAnswerHead } from '../http/headers.ts';
import { ClientLeft, UpstreamSilence } from '../http/interruptions.ts';
import type { PoolEntry } from '../pool/pool-entry.ts';
import { type Timed, ticksOf, unwatchTimeouts, watchTimeouts } from './timeouts.ts';
import { type AnswerHandler, UndiciSeven } from './undici-seven.ts';
import { Upload, type UploadBody, type UploadWatcher } from './upload.ts';

export type AttemptRequest = {
  readonly origin: string;
  readonly path: string;
  readonly method: string;
  readonly headers: readonly string[];
  readonly body: UploadBody;
  /** undici's own time limits are off: `timeouts` watches. Said with each request, as not every dispatcher keeps its own. */
  readonly headersTimeout: 0;
  readonly bodyTimeout: 0;
};

/** What one call to the upstream needs. */
export type AttemptPlan = {
  /** The key that is asked. The attempt only hands it back. */
  readonly entry: PoolEntry;
  /** Epoch ms. */
  readonly startedAt: number;
  readonly dispatcher: Dispatcher;
  readonly request: AttemptRequest;
};

/** How one attempt ended. Only the first kind has reached the client. */
export type AttemptResult =
  /** `brokenBy`: the answer broke off after its head had gone out. */
  | { readonly kind: 'served'; readonly status: number; readonly brokenBy: Error | null }
  | ({ readonly kind: 'answered' } & CollectedAnswer)
  | { readonly kind: 'failed'; readonly error: Error };

/** In ms; 0 = no limit. */
export type Timeouts = { readonly firstByteMs: number; readonly idleMs: number };

/** Who runs an attempt. */
export type AttemptOwner = {
  /** An answer under 400 has begun; its head is with the sink. */
  answering(plan: AttemptPlan, head: AnswerHead): void;
  /** Called once. */
  attemptEnded(plan: AttemptPlan, result: AttemptResult): void;
};

/** Error answers are read whole before they are judged, up to this size and time. */
const ERROR_BODY_MAX_BYTES = 1024 * 1024;
const ERROR_BODY_MAX_MS = 10_000;

/**
 * One call to the upstream. An answer under 400 streams into the sink as it comes, with back-pressure; any other answer
 * is collected, so that the request can go to another key instead.
 */
export class Attempt implements AnswerHandler, Timed, ClientAbortListener, UploadWatcher {
  ticksLeft: number;
  slot = -1;
  readonly #plan: AttemptPlan;
  readonly #sink: AnswerSink;
  readonly #owner: AttemptOwner;
  readonly #firstByteMs: number;
  readonly #idleMs: number;
  /** null until the request has a connection. */
  #controller: Dispatcher.DispatchController | null = null;
  #abortedBy: Error | null = null;
  /** null until the answer has begun. */
  #head: AnswerHead | null = null;
  #collected: Buffer[] | null = null;
  #collectedBytes = 0;
  #ended = false;

  constructor(plan: AttemptPlan, sink: AnswerSink, owner: AttemptOwner, { firstByteMs, idleMs }: Timeouts) {
    this.#plan = plan;
    this.#sink = sink;
    this.#owner = owner;
    this.#firstByteMs = firstByteMs;
    this.#idleMs = idleMs;
    this.ticksLeft = ticksOf(firstByteMs);
  }

  start(): void {
    const { dispatcher, request } = this.#plan;
    watchTimeouts(this);
    // A long request body takes its time: the wait for the answer begins anew with every part of it.
    if (request.body instanceof Upload) request.body.watcher = this;
    try {
      dispatcher.dispatch(request as unknown as Dispatcher.DispatchOptions, new UndiciSeven(this));
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** Ends the call. `reason` becomes the attempt's error unless it has ended already. */
  abort(reason: Error): void {
    if (this.#ended || this.#abortedBy !== null) return;
    this.#abortedBy = reason;
    // Before the request has a socket there is nothing to abort yet; it is aborted as soon as it gets one.
    this.#controller?.abort(reason);
    // What undici reports of an abort comes later or, for a queued call, not until it has a socket.
    this.#fail(reason);
  }

  clientLeft(): void {
    this.abort(new ClientLeft('The client left.'));
  }

  timedOut(): void {
    this.abort(
      new UpstreamSilence(
        this.#head === null
          ? 'The upstream did not begin to answer in time.'
          : 'The upstream fell silent in the middle of its answer.',
      ),
    );
  }

  uploadMoved(): void {
    if (this.#head === null && this.ticksLeft > 0) this.ticksLeft = ticksOf(this.#firstByteMs);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#abortedBy !== null) controller.abort(this.#abortedBy);
  }

  onResponseStart(
    { rawHeaders }: Dispatcher.DispatchController,
    status: number,
    _parsed: IncomingHttpHeaders,
    reason: string = '',
  ): void {
    // 1xx answers are of this connection; the real one follows.
    if (status < 200 || this.#ended) return;
    const head = readAnswerHead(status, reason, Array.isArray(rawHeaders) ? rawHeaders : []);
    this.#head = head;
    if (status < 400) {
      this.ticksLeft = ticksOf(this.#idleMs);
      this.#sink.head(head);
      this.#owner.answering(this.#plan, head);
    } else {
      this.#collected = [];
      this.ticksLeft = ticksOf(ERROR_BODY_MAX_MS);
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#ended) return;
    if (this.#collected !== null) this.#collect(this.#collected, chunk);
    else if (this.#sink.data(chunk)) this.ticksLeft = ticksOf(this.#idleMs);
    else {
      // The client is the slow one; the upstream's silence is then ours.
      this.ticksLeft = 0;
      controller.pause();
      this.#sink.whenReady(() => this.#goOn(controller));
    }
  }

  onResponseEnd(): void {
    if (this.#head === null) return;
    if (this.#collected !== null) this.#end(answered(this.#head, this.#collected, true));
    else if (!this.#ended) {
      this.#sink.end();
      this.#end({ kind: 'served', status: this.#head.status, brokenBy: null });
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.#fail(this.#abortedBy ?? error);
  }

  #goOn(controller: Dispatcher.DispatchController): void {
    if (this.#ended) return;
    this.ticksLeft = ticksOf(this.#idleMs);
    controller.resume();
  }

  #collect(collected: Buffer[], chunk: Buffer): void {
    collected.push(chunk);
    this.#collectedBytes += chunk.length;
    // An endless error body: what has come is enough to judge it.
    if (this.#collectedBytes > ERROR_BODY_MAX_BYTES) this.abort(new UpstreamSilence('The error answer did not end.'));
  }

  #fail(error: Error): void {
    if (this.#head === null || (this.#collected !== null && error instanceof ClientLeft)) this.#end({ kind: 'failed', error });
    else if (this.#collected !== null) this.#end(answered(this.#head, this.#collected, false));
    else this.#end({ kind: 'served', status: this.#head.status, brokenBy: error });
  }

  #end(result: AttemptResult): void {
    if (this.#ended) return;
    this.#ended = true;
    unwatchTimeouts(this);
    this.#owner.attemptEnded(this.#plan, result);
  }
}

/** `isWhole`: it came to its end, which undici has held against the announced length. */
function answered({ status, reason, headers }: AnswerHead, collected: readonly Buffer[], isWhole: boolean): AttemptResult {
  return { kind: 'answered', status, reason, headers, body: Buffer.concat(collected), isWhole };
}
