import type { Dispatcher } from 'undici';

/** What a handler of undici's present interface must have here. */
export type AnswerHandler = Required<
  Pick<Dispatcher.DispatchHandler, 'onRequestStart' | 'onResponseStart' | 'onResponseData' | 'onResponseEnd' | 'onResponseError'>
>;

const NOT_PARSED = Object.freeze({});
const NOT_STARTED = () => undefined;

/**
 * Lets undici 7 tell a handler of its present interface without parsing every answer's headers into an object first, which
 * is not read here: the raw ones are. Earns 2 to 3 us a request (`npm run bench -- --only load`, 2 KB). undici 8 has no other
 * interface: with it this file goes, and the attempt is dispatched itself.
 */
export class UndiciSeven implements Dispatcher.DispatchHandler, Dispatcher.DispatchController {
  rawHeaders: Buffer[] | null = null;
  aborted = false;
  paused = false;
  reason: Error | null = null;
  readonly #handler: AnswerHandler;
  #abort: (reason?: Error) => void = NOT_STARTED;
  #resume: () => void = NOT_STARTED;

  constructor(handler: AnswerHandler) {
    this.#handler = handler;
  }

  onConnect(abort: (reason?: Error) => void): void {
    this.#abort = abort;
    this.#handler.onRequestStart(this, null);
  }

  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void, reason: string): boolean {
    this.rawHeaders = rawHeaders;
    this.#resume = resume;
    this.#handler.onResponseStart(this, status, NOT_PARSED, reason);
    return !this.paused;
  }

  onData(chunk: Buffer): boolean {
    this.#handler.onResponseData(this, chunk);
    return !this.paused;
  }

  onComplete(): void {
    this.#handler.onResponseEnd(this, NOT_PARSED);
  }

  onError(error: Error): void {
    this.#handler.onResponseError(this, error);
  }

  abort(reason: Error): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    this.#abort(reason);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.#resume();
  }
}
