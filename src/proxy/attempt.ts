import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { responseHeaders } from './headers.ts';

/** Timeouts in ms; 0 = none. */
export type AttemptTimeouts = { readonly firstByteMs: number; readonly idleMs: number };

export type AttemptRequest = {
  readonly origin: string;
  readonly path: string;
  readonly method: string;
  readonly headers: readonly string[];
  readonly body: Buffer | Readable | null;
};

/** Where an answer under 400 goes, from its first byte on. */
export type AnswerSink = {
  /** The answer's head. Called once, synchronously, before any data. */
  head(status: number, reason: string, headers: readonly string[]): void;
  /** Whether the client can take more; when it cannot, `whenReady` is called once it can. */
  data(chunk: Buffer, whenReady: () => void): boolean;
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

/** The upstream said nothing, or nothing more, for the time a setting allows. */
export class UpstreamSilence extends Error {
  readonly code = 'KMI_UPSTREAM_SILENCE';
}

/** The client left; the attempt was called off and says nothing about the key. */
export class ClientLeft extends Error {
  readonly code = 'KMI_CLIENT_LEFT';
}

/** Emitted by a streamed request body whenever the upstream has taken a part of it. */
export const BODY_PROGRESS = 'kmi-progress';

/** Error answers are read whole before they are judged, up to this size and time. */
const ERROR_BODY_MAX_BYTES = 1024 * 1024;
const ERROR_BODY_MAX_MS = 10_000;

/**
 * One call to the upstream. An answer under 400 streams into the sink as it comes, with back-pressure; any other answer
 * is collected, so that the request can go to another key instead.
 */
export class Attempt implements Dispatcher.DispatchHandler {
  readonly #sink: AnswerSink;
  readonly #timeouts: AttemptTimeouts;
  readonly #settle: (result: AttemptResult) => void;
  /** How the attempt ended; never rejects. */
  readonly result: Promise<AttemptResult>;
  #controller: Dispatcher.DispatchController | null = null;
  #timer: NodeJS.Timeout | null = null;
  #abortedBy: Error | null = null;
  #head: { status: number; reason: string; headers: readonly string[] } | null = null;
  #collected: Buffer[] | null = null;
  #collectedBytes = 0;
  #settled = false;

  constructor(sink: AnswerSink, timeouts: AttemptTimeouts) {
    this.#sink = sink;
    this.#timeouts = timeouts;
    let settle!: (result: AttemptResult) => void;
    this.result = new Promise((resolve) => {
      settle = resolve;
    });
    this.#settle = settle;
  }

  start(dispatcher: Dispatcher, request: AttemptRequest): void {
    this.#arm(this.#timeouts.firstByteMs, 'The upstream did not begin to answer in time.');
    // A long request body takes its time: the wait for the answer begins anew with every part of it.
    if (request.body instanceof Readable) {
      request.body.on(BODY_PROGRESS, () => {
        if (this.#head === null) this.#timer?.refresh();
      });
    }
    try {
      dispatcher.dispatch(
        {
          origin: request.origin,
          path: request.path,
          method: request.method as Dispatcher.HttpMethod,
          headers: request.headers as string[],
          body: request.body,
        },
        this,
      );
    } catch (error) {
      this.onResponseError(null, error as Error);
    }
  }

  /** Ends the call. `reason` becomes the attempt's error unless it has ended already. */
  abort(reason: Error): void {
    if (this.#settled || this.#abortedBy !== null) return;
    this.#abortedBy = reason;
    // Before the request has a socket there is no controller yet; it is aborted as soon as it gets one.
    this.#controller?.abort(reason);
    // What undici reports of an abort comes later or, for a queued call, not until it has a socket.
    this.#fail(reason);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#abortedBy !== null) controller.abort(this.#abortedBy);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, _headers: unknown, reason = ''): void {
    // 1xx answers are of this connection; the real one follows.
    if (status < 200 || this.#settled) return;
    const headers = responseHeaders((controller as unknown as { rawHeaders: Buffer[] }).rawHeaders);
    this.#head = { status, reason, headers };
    if (status < 400) {
      this.#arm(this.#timeouts.idleMs, IDLE);
      this.#sink.head(status, reason, headers);
    } else {
      this.#collected = [];
      this.#arm(ERROR_BODY_MAX_MS, IDLE);
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#settled) return;
    if (this.#collected !== null) {
      this.#collected.push(chunk);
      this.#collectedBytes += chunk.length;
      if (this.#collectedBytes > ERROR_BODY_MAX_BYTES) this.#giveUpCollecting();
      return;
    }
    this.#timer?.refresh();
    const ready = this.#sink.data(chunk, () => {
      if (this.#settled) return;
      this.#arm(this.#timeouts.idleMs, IDLE);
      controller.resume();
    });
    if (!ready) {
      // The client is the slow one; the upstream's silence is then ours.
      this.#disarm();
      controller.pause();
    }
  }

  onResponseEnd(): void {
    if (this.#head === null) return;
    if (this.#collected !== null) this.#finish(this.#answered(true));
    else this.#finish({ kind: 'served', status: this.#head.status, brokenBy: null });
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#fail(this.#abortedBy ?? error);
  }

  #fail(error: Error): void {
    if (this.#head === null) this.#finish({ kind: 'failed', error });
    else if (this.#collected !== null)
      this.#finish(error instanceof ClientLeft ? { kind: 'failed', error } : this.#answered(false));
    else this.#finish({ kind: 'served', status: this.#head.status, brokenBy: error });
  }

  /** An endless or slow error body: what has come is enough to judge it. */
  #giveUpCollecting(): void {
    this.abort(new UpstreamSilence('The error answer did not end.'));
  }

  /** `isWhole`: it came to its end, which undici has held against the announced length. */
  #answered(isWhole: boolean): AttemptResult {
    const { status, reason, headers } = this.#head as { status: number; reason: string; headers: readonly string[] };
    return { kind: 'answered', status, reason, headers, body: Buffer.concat(this.#collected ?? []), isWhole };
  }

  #finish(result: AttemptResult): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#disarm();
    this.#settle(result);
  }

  #arm(ms: number, message: string): void {
    this.#disarm();
    if (ms > 0) this.#timer = setTimeout(() => this.abort(new UpstreamSilence(message)), ms);
  }

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

const IDLE = 'The upstream fell silent in the middle of its answer.';
