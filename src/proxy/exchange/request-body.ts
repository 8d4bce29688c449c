import type { IncomingMessage } from 'node:http';
import { KmiError } from '../../errors.ts';
import type { RequestHead } from '../http/headers.ts';
import { ClientLeft } from '../http/interruptions.ts';
import { Upload, type UploadBody } from './upload.ts';

export type BodyLimits = {
  /** More than this is refused. */
  readonly maxBytes: number;
  /** Up to this much is held for another attempt. */
  readonly replayMaxBytes: number;
  /** What all requests together hold; shared by them. */
  readonly heldByAll: { bytes: number };
};

export type BodyWaiter = { bodyReady(): void };

/** When all requests together hold more than this, further large bodies stream through without failover. */
export const HELD_BY_ALL_MAX_BYTES = 512 * 1024 * 1024;

/** Bodies announced as smaller are awaited: they arrive with the headers, and one buffer is the cheapest way to send them. */
const AWAIT_MAX_BYTES = 48 * 1024;

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
  #held = 0;
  #complete = false;
  #replayable: boolean;
  #failure: Error | null = null;
  #upload: Upload | null = null;
  #waiter: BodyWaiter | null = null;

  /** Throws `body_too_large` when the announced length already is. */
  constructor(request: IncomingMessage, head: Pick<RequestHead, 'length' | 'isChunked'>, limits: BodyLimits) {
    this.#request = request;
    this.#limits = limits;
    this.length = head.length === null ? null : Number(head.length);
    if (this.length !== null && this.length > limits.maxBytes) throw tooLarge(limits);
    this.#replayable = this.length === null || this.length <= limits.replayMaxBytes;
    if ((this.length === null || this.length === 0) && !head.isChunked) {
      this.#complete = true;
      return;
    }
    request.on('data', this.#take);
    request.on('end', this.#end);
  }

  /** Whether a further attempt can send the same bytes. */
  get canReplay(): boolean {
    return this.#replayable;
  }

  /** The bytes received so far, when all are still held. For reading what a request was about, after it has gone out. */
  get held(): readonly Buffer[] {
    return this.#chunks;
  }

  /** Whether the first attempt can start at once. */
  get #isReady(): boolean {
    return this.#complete || this.#failure !== null || this.length === null || this.length > AWAIT_MAX_BYTES;
  }

  /** Tells `waiter`, once, when the first attempt can start, or when it never will: see `failure`. */
  whenReady(waiter: BodyWaiter): void {
    if (this.#isReady) waiter.bodyReady();
    else this.#waiter = waiter;
  }

  /** Whether waiting brings no more of it: it is whole, it never will be, or it is too large to be held. */
  get isSettled(): boolean {
    return this.#complete || this.#failure !== null || !this.#replayable;
  }

  /** Tells `waiter`, once, when that is so. Only after `whenReady` has told its own. */
  whenSettled(waiter: BodyWaiter): void {
    if (this.isSettled) waiter.bodyReady();
    else this.#waiter = waiter;
  }

  /** It is text as it came. */
  readonly unpacked = null;

  /** Bytes that have come so far. */
  get received(): number {
    return this.#received;
  }

  /** Why the body did not become whole. */
  get failure(): Error | null {
    return this.#failure;
  }

  /** The client left. */
  abandon(): void {
    if (!this.#complete) this.#fail(new ClientLeft('The client left before its request was complete.'));
  }

  /** What the next attempt sends. */
  forAttempt(): UploadBody {
    this.#upload?.destroy();
    this.#upload = null;
    if (this.#complete && this.#replayable) {
      if (this.#chunks.length === 0) return null;
      if (this.#chunks.length === 1) return this.#chunks[0] as Buffer;
    }
    this.#upload = new Upload(this.#chunks, this.#replayable ? null : this.#request, this.#complete, this.#failure);
    return this.#upload;
  }

  /** Bytes the next attempt will send; null when not known. */
  get lengthToSend(): number | null {
    return this.#complete ? this.#received : this.length;
  }

  /** The answer has been given: nothing more is kept. */
  drop(): void {
    if (this.#complete) return;
    this.#failure ??= new Error('The request has been answered.');
    this.#upload?.destroy();
    this.#upload = null;
    dropRest(this.#request);
  }

  readonly #take = (chunk: Buffer): void => {
    if (this.#failure !== null) return;
    this.#received += chunk.length;
    if (this.#replayable) this.#hold(chunk.length);
    if (this.#received > this.#limits.maxBytes) {
      this.#fail(tooLarge(this.#limits));
      return;
    }
    this.#chunks.push(chunk);
    this.#upload?.more();
    if (this.#replayable && this.#isTooMuchToHold()) this.#letGo();
    // Nobody takes the chunks yet: the next attempt starts where this stops.
    if (!this.#replayable && this.#upload === null) this.#request.pause();
  };

  #hold(bytes: number): void {
    this.#held += bytes;
    this.#limits.heldByAll.bytes += bytes;
  }

  /** Nothing is held for this request any more. Called when its answer has gone, however. */
  release(): void {
    this.#limits.heldByAll.bytes -= this.#held;
    this.#held = 0;
  }

  /** A body that is awaited is held in any case; it is small. */
  #isTooMuchToHold(): boolean {
    if (this.#received > this.#limits.replayMaxBytes) return true;
    return this.#limits.heldByAll.bytes > HELD_BY_ALL_MAX_BYTES && this.#received > AWAIT_MAX_BYTES;
  }

  /** The body turned out too long to hold. From here on one upload takes the chunks away, at its own pace. */
  #letGo(): void {
    this.#replayable = false;
    this.release();
    this.#upload?.paceWith(this.#request);
    this.#settle();
  }

  readonly #end = (): void => {
    this.#complete = true;
    this.#upload?.end();
    this.#settle();
  };

  #fail(error: Error): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#upload?.destroy(error);
    this.#settle();
  }

  #settle(): void {
    const waiter = this.#waiter;
    this.#waiter = null;
    waiter?.bodyReady();
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
