import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { KmiError } from '../errors.ts';
import { BODY_PROGRESS, ClientLeft } from './attempt.ts';

export type BodyLimits = {
  /** More than this is refused. */
  readonly maxBytes: number;
  /** Up to this much is held for another attempt. */
  readonly replayMaxBytes: number;
};

/** Bodies announced as smaller are awaited: they arrive with the headers, and one buffer is the cheapest way to send them. */
const AWAIT_MAX_BYTES = 64 * 1024;

/**
 * A request body that can be sent more than once, byte for byte. Chunks are held by reference as they arrive; every
 * attempt reads them from the start and follows the rest live. Past `replayMaxBytes` the held chunks are let go: the
 * body then passes through once, at the pace of the upstream.
 */
export class RequestBody {
  /** As announced by the client; null for a chunked body. */
  readonly length: number | null;
  readonly #request: IncomingMessage;
  readonly #limits: BodyLimits;
  #chunks: Buffer[] = [];
  #received = 0;
  #complete = false;
  #replayable: boolean;
  #failure: Error | null = null;
  #reader: LiveReader | null = null;
  #onSettled: (() => void) | null = null;

  /** Throws `body_too_large` when the announced length already is. */
  constructor(request: IncomingMessage, limits: BodyLimits) {
    this.#request = request;
    this.#limits = limits;
    const announced = request.headers['content-length'];
    this.length = announced === undefined ? null : Number(announced);
    if (this.length !== null && this.length > limits.maxBytes) throw tooLarge(limits);
    this.#replayable = this.length === null || this.length <= limits.replayMaxBytes;
    if ((this.length === null || this.length === 0) && request.headers['transfer-encoding'] === undefined) {
      this.#complete = true;
      request.resume();
      return;
    }
    request.on('data', (chunk: Buffer) => this.#take(chunk));
    request.on('end', () => this.#end());
    // The only errors of a request's own stream are those of its connection.
    const onLost = () => {
      if (!this.#complete) this.#fail(new ClientLeft('The client left before its request was complete.'));
    };
    request.on('error', onLost);
    request.on('close', onLost);
  }

  /** Whether a further attempt can send the same bytes. */
  get canReplay(): boolean {
    return this.#replayable;
  }

  get isComplete(): boolean {
    return this.#complete;
  }

  /** The bytes received so far, when all are still held. For reading what a request was about, after it has gone out. */
  get held(): readonly Buffer[] {
    return this.#chunks;
  }

  /** Resolves when the first attempt can start. Rejects when the body failed before. */
  async ready(): Promise<void> {
    if (this.length !== null && this.length <= AWAIT_MAX_BYTES && !this.#complete && this.#failure === null) {
      await new Promise<void>((resolve) => {
        this.#onSettled = resolve;
      });
    }
    if (this.#failure !== null) throw this.#failure;
  }

  /** What undici sends for the next attempt: nothing, the whole as one buffer, or a stream that follows the client. */
  forAttempt(): Buffer | Readable | null {
    this.#reader?.detach();
    this.#reader = null;
    if (this.#complete && this.#replayable) {
      if (this.#chunks.length === 0) return null;
      if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
      return this.#chunks[0] as Buffer;
    }
    this.#reader = new LiveReader(this.#chunks, this.#replayable ? null : this.#request, this.#complete, this.#failure);
    return this.#reader;
  }

  /** The answer has been given: nothing more is kept. */
  drop(): void {
    if (this.#complete) return;
    this.#failure ??= new Error('The request has been answered.');
    this.#reader?.detach();
    this.#reader = null;
    dropRest(this.#request);
  }

  #take(chunk: Buffer): void {
    if (this.#failure !== null) return;
    this.#received += chunk.length;
    if (this.#received > this.#limits.maxBytes) {
      this.#fail(tooLarge(this.#limits));
      return;
    }
    this.#chunks.push(chunk);
    this.#reader?.more();
    if (this.#replayable && this.#received > this.#limits.replayMaxBytes) this.#letGo();
    // Nobody takes the chunks yet: the next attempt starts where this stops.
    if (!this.#replayable && this.#reader === null) this.#request.pause();
  }

  /** The body turned out too long to hold. From here on one reader takes the chunks away, at its own pace. */
  #letGo(): void {
    this.#replayable = false;
    this.#reader?.paceWith(this.#request);
  }

  #end(): void {
    this.#complete = true;
    this.#reader?.end();
    this.#onSettled?.();
  }

  #fail(error: Error): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#reader?.destroy(error);
    this.#onSettled?.();
  }
}

/**
 * Reads the rest of an answered request and forgets it, so that a client that sends all before it reads gets its answer
 * (RFC 9112 section 9.6). One that goes on for long is cut off.
 */
export function dropRest(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  request.resume();
  const timer = setTimeout(() => request.destroy(), DROP_MAX_MS);
  request.once('close', () => clearTimeout(timer));
}

const DROP_MAX_MS = 5_000;

function tooLarge({ maxBytes }: BodyLimits): KmiError {
  return new KmiError('body_too_large', `The request body is larger than ${Math.round(maxBytes / 1024 / 1024)} MB.`);
}

/** Reads the shared chunks from the start and follows. With a `source` to pace, it consumes them instead. */
class LiveReader extends Readable {
  readonly #chunks: Buffer[];
  #next = 0;
  #source: IncomingMessage | null;
  #ended: boolean;
  #wanted = false;

  constructor(chunks: Buffer[], source: IncomingMessage | null, ended: boolean, failure: Error | null) {
    super({ highWaterMark: 256 * 1024 });
    this.#chunks = chunks;
    this.#source = source;
    this.#ended = ended;
    if (failure !== null) this.destroy(failure);
  }

  paceWith(source: IncomingMessage): void {
    this.#source = source;
    this.#chunks.splice(0, this.#next);
    this.#next = 0;
    if (!this.#wanted) source.pause();
  }

  more(): void {
    if (this.#wanted) this.#deliver();
    else this.#source?.pause();
  }

  end(): void {
    this.#ended = true;
    if (this.#wanted) this.#deliver();
  }

  /** A new attempt takes over. */
  detach(): void {
    this.#source = null;
    this.destroy();
  }

  override _read(): void {
    this.#wanted = true;
    this.#deliver();
  }

  #deliver(): void {
    while (this.#wanted && this.#next < this.#chunks.length) {
      const chunk = this.#chunks[this.#next] as Buffer;
      if (this.#source === null) this.#next += 1;
      else this.#chunks.shift();
      this.#wanted = this.push(chunk);
      this.emit(BODY_PROGRESS);
    }
    if (this.#next < this.#chunks.length) return;
    if (this.#ended) {
      this.#wanted = false;
      this.push(null);
    } else if (this.#wanted) this.#source?.resume();
  }
}
