import type { Dispatcher } from 'undici';
import type { DepartureListener } from '../http/client-abort.ts';
import { responseHeaders } from '../http/headers.ts';
import { ClientLeft, UpstreamSilence } from '../http/interruptions.ts';
import { ticksOf, unwatchPatience, type Waiting, watchPatience } from './timeouts.ts';
import { Upload, type UploadBody, type UploadWatcher } from './upload.ts';

export type AttemptRequest = {
  readonly origin: string;
  readonly path: string;
  readonly method: string;
  readonly headers: readonly string[];
  readonly body: UploadBody;
  /** undici's own time limits are off: `patience` watches. Said with each request, as not every dispatcher keeps its own. */
  readonly headersTimeout: 0;
  readonly bodyTimeout: 0;
};

/** Where an answer under 400 goes, from its first byte on. */
export type AnswerSink = {
  /** The answer's head. Called once, synchronously, before any data. */
  head(status: number, reason: string, headers: readonly string[]): void;
  /** Whether the client can take more. */
  data(chunk: Buffer): boolean;
  /** After `data` said no: calls back once the client can take more. */
  whenReady(goOn: () => void): void;
  /** The answer is whole. Called synchronously, so that its end leaves with its last bytes. */
  end(): void;
};

/** How one attempt ended. Only the first kind has reached the client. */
export type AttemptResult =
  | {
      readonly kind: 'served';
      readonly status: number /** Set when the answer broke off after its head went out. */;
      readonly brokenBy: Error | null;
    }
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly reason: string;
      readonly headers: readonly string[];
      readonly body: Buffer;
      readonly isWhole: boolean;
    }
  | { readonly kind: 'failed'; readonly error: Error };

/** Who runs an attempt. */
export type AttemptOwner = {
  /** An answer under 400 has begun; its head is with the sink. */
  answering(status: number, headers: readonly string[]): void;
  /** Called once. */
  attemptEnded(result: AttemptResult): void;
};

/** Error answers are read whole before they are judged, up to this size and time. */
const ERROR_BODY_MAX_BYTES = 1024 * 1024;
const ERROR_BODY_MAX_MS = 10_000;

const ABORTED_BEFORE_START = () => undefined;

/**
 * One call to the upstream. An answer under 400 streams into the sink as it comes, with back-pressure; any other answer
 * is collected, so that the request can go to another key instead.
 *
 * undici's handler interface of before 7.0 is used on purpose: it hands over raw headers and takes back-pressure as a
 * return value, where the newer one parses every header into an object first.
 */
export class Attempt implements Dispatcher.DispatchHandler, Waiting, DepartureListener, UploadWatcher {
  ticksLeft: number;
  slot = -1;
  readonly #sink: AnswerSink;
  readonly #owner: AttemptOwner;
  readonly #firstByteMs: number;
  readonly #idleMs: number;
  #abortCall: (reason: Error) => void = ABORTED_BEFORE_START;
  #resume: () => void = ABORTED_BEFORE_START;
  #abortedBy: Error | null = null;
  #status = 0;
  #reason = '';
  #headers: readonly string[] = [];
  #collected: Buffer[] | null = null;
  #collectedBytes = 0;
  #ended = false;

  /** Times in ms; 0 = no limit. */
  constructor(sink: AnswerSink, owner: AttemptOwner, firstByteMs: number, idleMs: number) {
    this.#sink = sink;
    this.#owner = owner;
    this.#firstByteMs = firstByteMs;
    this.#idleMs = idleMs;
    this.ticksLeft = ticksOf(firstByteMs);
  }

  start(dispatcher: Dispatcher, request: AttemptRequest): void {
    watchPatience(this);
    // A long request body takes its time: the wait for the answer begins anew with every part of it.
    if (request.body instanceof Upload) request.body.watcher = this;
    try {
      dispatcher.dispatch(request as unknown as Dispatcher.DispatchOptions, this);
    } catch (error) {
      this.onError(error as Error);
    }
  }

  /** Ends the call. `reason` becomes the attempt's error unless it has ended already. */
  abort(reason: Error): void {
    if (this.#ended || this.#abortedBy !== null) return;
    this.#abortedBy = reason;
    // Before the request has a socket there is nothing to abort yet; it is aborted as soon as it gets one.
    this.#abortCall(reason);
    // What undici reports of an abort comes later or, for a queued call, not until it has a socket.
    this.#fail(reason);
  }

  clientLeft(): void {
    this.abort(new ClientLeft('The client left.'));
  }

  runOut(): void {
    this.abort(
      new UpstreamSilence(
        this.#status === 0
          ? 'The upstream did not begin to answer in time.'
          : 'The upstream fell silent in the middle of its answer.',
      ),
    );
  }

  uploadMoved(): void {
    if (this.#status === 0 && this.ticksLeft > 0) this.ticksLeft = ticksOf(this.#firstByteMs);
  }

  onConnect(abort: (reason?: Error) => void): void {
    this.#abortCall = abort;
    if (this.#abortedBy !== null) abort(this.#abortedBy);
  }

  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void, reason: string): boolean {
    // 1xx answers are of this connection; the real one follows.
    if (status < 200 || this.#ended) return true;
    this.#status = status;
    this.#reason = reason;
    this.#headers = responseHeaders(rawHeaders);
    this.#resume = resume;
    if (status < 400) {
      this.ticksLeft = ticksOf(this.#idleMs);
      this.#sink.head(status, reason, this.#headers);
      this.#owner.answering(status, this.#headers);
    } else {
      this.#collected = [];
      this.ticksLeft = ticksOf(ERROR_BODY_MAX_MS);
    }
    return true;
  }

  onData(chunk: Buffer): boolean {
    if (this.#ended) return true;
    if (this.#collected !== null) {
      this.#collect(this.#collected, chunk);
      return true;
    }
    if (this.#sink.data(chunk)) {
      this.ticksLeft = ticksOf(this.#idleMs);
      return true;
    }
    // The client is the slow one; the upstream's silence is then ours.
    this.ticksLeft = 0;
    this.#sink.whenReady(() => this.#goOn());
    return false;
  }

  onComplete(): void {
    if (this.#status === 0) return;
    if (this.#collected !== null) this.#end(this.#answered(true));
    else if (!this.#ended) {
      this.#sink.end();
      this.#end({ kind: 'served', status: this.#status, brokenBy: null });
    }
  }

  onError(error: Error): void {
    this.#fail(this.#abortedBy ?? error);
  }

  #goOn(): void {
    if (this.#ended) return;
    this.ticksLeft = ticksOf(this.#idleMs);
    this.#resume();
  }

  #collect(collected: Buffer[], chunk: Buffer): void {
    collected.push(chunk);
    this.#collectedBytes += chunk.length;
    // An endless error body: what has come is enough to judge it.
    if (this.#collectedBytes > ERROR_BODY_MAX_BYTES) this.abort(new UpstreamSilence('The error answer did not end.'));
  }

  #fail(error: Error): void {
    if (this.#status === 0) this.#end({ kind: 'failed', error });
    else if (this.#collected !== null) this.#end(error instanceof ClientLeft ? { kind: 'failed', error } : this.#answered(false));
    else this.#end({ kind: 'served', status: this.#status, brokenBy: error });
  }

  /** `isWhole`: it came to its end, which undici has held against the announced length. */
  #answered(isWhole: boolean): AttemptResult {
    const body = Buffer.concat(this.#collected ?? []);
    return { kind: 'answered', status: this.#status, reason: this.#reason, headers: this.#headers, body, isWhole };
  }

  #end(result: AttemptResult): void {
    if (this.#ended) return;
    this.#ended = true;
    unwatchPatience(this);
    this.#owner.attemptEnded(result);
  }
}
