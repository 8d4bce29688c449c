import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { KmiError } from '../../errors.ts';
import type { AnswerSink, CollectedAnswer } from '../http/answer.ts';
import { renderStreamError } from '../http/error-responses.ts';
import { type AnswerHead, readAnswerHead } from '../http/headers.ts';
import { isPacked } from '../http/unpack.ts';
import { EchoGuard, mayBeError, mayBePackedError, PackedAnswer } from './echo-guard.ts';
import { EventGuard, mayHoldErrorEvent } from './event-guard.ts';
import { maskHead } from './masked-answer.ts';
import { type BatchedWriter, batchWrite } from './write-batching.ts';

const NEWLINE = 0x0a;
const NO_BYTES = Buffer.alloc(0);
const EVENT_STREAM = /^\s*text\/event-stream\b/i;

/**
 * Writes an upstream answer to the client, byte for byte and chunk by chunk. What comes in one turn of the event loop leaves
 * at its end, in one write.
 */
export class Relay implements AnswerSink, BatchedWriter {
  readonly #response: ServerResponse;
  readonly #anthropic: boolean;
  /** A text event may follow what has been sent: an event stream, not compressed, without an announced end. */
  #takesEvent = false;
  /** An event stream that is not compressed: an error may come in any of its events. */
  #isEvents = false;
  #lastByte = NEWLINE;
  #hasData = false;
  /** As the head announced; -1 when it did not. */
  #length = -1;
  #hasEnded = false;
  /** An answer that came in one piece, until it leaves. */
  #whole: Buffer | null = null;
  /** The key the answer's request went out with, which must not come back in an error. */
  key = '';
  /** Looks at what may be an error; null for nearly all chunks of nearly all answers. */
  #guard: EchoGuard | EventGuard | PackedAnswer | null = null;
  /** Its socket is corked until the end of this turn. */
  #corked: Socket | null = null;

  constructor(response: ServerResponse, anthropic: boolean) {
    this.#response = response;
    this.#anthropic = anthropic;
  }

  head(given: AnswerHead): void {
    if (this.#response.destroyed) return;
    // A redirect may name the key in its address, and in a page that links there.
    const isRedirect = given.status >= 300;
    const head = isRedirect ? maskHead(given, this.key) : given;
    const { length, encoding } = head;
    if (encoding !== undefined && mayBePackedError(encoding, head.contentType, Number(length ?? -1))) {
      this.#guard = new PackedAnswer(this.key, head, encoding);
      if (length === undefined) process.nextTick(flushHead, this);
    } else {
      if (isRedirect && !isPacked(encoding)) this.#guard = new EchoGuard(this.key);
      this.#sendHead(head);
    }
  }

  #sendHead({ status, reason, headers, length, contentType, encoding }: AnswerHead): void {
    const response = this.#response;
    // The upstream's own date passes, or none.
    response.sendDate = false;
    response.writeHead(status, reason, headers as string[]);
    this.#isEvents = contentType !== undefined && !isPacked(encoding) && EVENT_STREAM.test(contentType);
    if (length !== undefined) {
      // Nobody has use for the head alone of an answer with an announced end.
      this.#length = Number(length);
      return;
    }
    this.#takesEvent = this.#isEvents;
    // The head goes out with the first chunk when that has arrived with it, else right away: an agent waits for it.
    process.nextTick(flushHead, this);
  }

  data(chunk: Buffer): boolean {
    if (this.#guard === null && !this.#wantsLook(chunk)) return this.#pass(chunk);
    this.#guard ??= this.#isEvents ? new EventGuard(this.key) : new EchoGuard(this.key);
    if (this.#guard instanceof PackedAnswer) return this.#guard.take(chunk) || this.#begin(this.#guard.asItCame());
    const passing = this.#guard.take(chunk);
    if (this.#guard.isOver) this.#guard = null;
    return passing === null || this.#pass(passing);
  }

  #wantsLook(chunk: Buffer): boolean {
    return this.#isEvents ? mayHoldErrorEvent(chunk) : !this.#hasData && mayBeError(chunk);
  }

  /** Head and beginning of an answer that was held back. */
  #begin({ status, reason, headers, body }: ReturnType<PackedAnswer['asItCame']>): boolean {
    this.#guard = null;
    if (!this.#response.headersSent) this.#sendHead(readAnswerHead(status, reason, headers));
    return body.length === 0 || this.#pass(body);
  }

  /** Nothing more comes of what is held back. */
  #letGo(isWhole: boolean): void {
    const guard = this.#guard;
    this.#guard = null;
    if (guard instanceof PackedAnswer) this.#begin(guard.masked(isWhole));
    else if (guard !== null) {
      const rest = guard.end();
      if (rest !== null) this.#pass(rest);
    }
  }

  #pass(chunk: Buffer): boolean {
    if (chunk.length === this.#length && !this.#hasData) {
      // All of it at once, as small answers come: head, body and end leave together.
      this.#hasEnded = true;
      this.#whole = chunk;
      batchWrite(this);
      return true;
    }
    this.#hasData = true;
    this.#lastByte = chunk[chunk.length - 1] ?? this.#lastByte;
    this.#cork();
    return this.#response.write(chunk);
  }

  whenReady(goOn: () => void): void {
    this.#response.once('drain', goOn);
  }

  end(): void {
    if (this.#guard !== null) this.#letGo(true);
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#hasData = true;
    // With a chunk of this turn it leaves at its end; alone it need not wait.
    if (this.#corked === null) this.#response.end();
  }

  leave(): void {
    const corked = this.#corked;
    this.#corked = null;
    if (this.#hasEnded) this.#response.end(this.#whole);
    else corked?.uncork();
    this.#whole = null;
  }

  #cork(): void {
    if (this.#corked !== null) return;
    const { socket } = this.#response;
    if (socket === null) return;
    socket.cork();
    this.#corked = socket;
    batchWrite(this);
  }

  flushHead(): void {
    if (this.#hasData || this.#response.destroyed) return;
    if (this.#guard instanceof PackedAnswer) {
      const head = this.#guard.headAlone();
      if (head !== null) this.#sendHead(readAnswerHead(head.status, head.reason, head.headers));
    }
    // Not flushHeaders(), which writes bytes beyond ASCII as UTF-8; an empty buffer leaves them as they came.
    if (this.#response.headersSent) this.#response.write(NO_BYTES);
  }

  /**
   * The answer broke after its head went out: an event stream gets the protocol's error event, if it stopped between two
   * lines (after half a line it would only garble the text), and the connection is aborted, never ended cleanly.
   */
  breakOff(error: KmiError): void {
    const response = this.#response;
    if (response.destroyed) return;
    if (this.#guard !== null) this.#letGo(false);
    if (!this.#takesEvent || this.#lastByte !== NEWLINE) {
      response.destroy();
      return;
    }
    response.write(`\n${renderStreamError(error, { anthropic: this.#anthropic })}`, () => response.destroy());
    // A client that has stopped reading never takes the event; it learns from the closed connection.
    setTimeout(() => response.destroy(), BREAK_OFF_MS).unref();
  }

  /** Sends an answer that was collected: an error of the upstream, as it came. */
  whole({ status, reason, headers, body, isWhole }: CollectedAnswer): void {
    const response = this.#response;
    if (response.headersSent || response.destroyed) return;
    response.sendDate = false;
    response.writeHead(status, reason, headers as string[]);
    if (isWhole) response.end(body);
    else response.write(body, () => response.destroy());
  }
}

const BREAK_OFF_MS = 1_000;

function flushHead(relay: Relay): void {
  relay.flushHead();
}
