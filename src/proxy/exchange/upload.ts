import type { IncomingMessage } from 'node:http';

/** What an attempt sends: nothing, the whole, or a body that follows the client. */
export type UploadBody = Buffer | Upload | null;

/** Told whenever the upstream takes a part of an upload. */
export type UploadWatcher = { uploadMoved(): void };

type Part = IteratorResult<Buffer, undefined>;
type PendingRead = { readonly resolve: (part: Part) => void; readonly reject: (error: Error) => void };

const END: Part = { value: undefined, done: true };

/**
 * Reads the shared chunks from the start and follows. With a `source` to pace, it consumes them instead.
 *
 * An async iterable, not a stream: for a stream undici's `Request` keeps a listener as `this.errorHandler = (…) => …`, and
 * V8 puts a function literal that is assigned to a property into the old generation. Until that code is optimised, each
 * such request then outlives every scavenge with all it refers to, its body too, up to the next full collection.
 */
export class Upload implements AsyncIterableIterator<Buffer, undefined> {
  readonly #chunks: Buffer[];
  #next = 0;
  #source: IncomingMessage | null;
  #sourceEnded: boolean;
  #failure: Error | null;
  #done = false;
  #pending: PendingRead | null = null;
  watcher: UploadWatcher | null = null;

  constructor(chunks: Buffer[], source: IncomingMessage | null, ended: boolean, failure: Error | null) {
    this.#chunks = chunks;
    this.#source = source;
    this.#sourceEnded = ended;
    this.#failure = failure;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** undici asks once the upstream's socket has room. */
  next(): Promise<Part> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    const part = this.#take();
    if (part !== null) return Promise.resolve(part);
    this.#source?.resume();
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
    });
  }

  /** undici reads no further. */
  return(): Promise<Part> {
    this.destroy();
    return Promise.resolve(END);
  }

  paceWith(source: IncomingMessage): void {
    this.#source = source;
    this.#chunks.splice(0, this.#next);
    this.#next = 0;
    if (this.#pending === null) source.pause();
  }

  /** A chunk was added. */
  more(): void {
    if (this.#pending === null) this.#source?.pause();
    else this.#deliver();
  }

  /** The client's body is whole. */
  end(): void {
    this.#sourceEnded = true;
    this.#deliver();
  }

  /** Ends the upload before its end; the attempt fails with `error` if the upstream has not answered. */
  destroy(error: Error = new Error('The upload was given up.')): void {
    if (this.#done || this.#failure !== null) return;
    this.#failure = error;
    this.#source?.resume();
    this.#source = null;
    this.#pending?.reject(error);
    this.#pending = null;
  }

  #deliver(): void {
    const pending = this.#pending;
    if (pending === null) return;
    const part = this.#take();
    if (part === null) return;
    this.#pending = null;
    pending.resolve(part);
  }

  /** The next part, or the end; null when the client has still to send it. */
  #take(): Part | null {
    const chunk = this.#chunks[this.#next];
    if (chunk === undefined) {
      if (!this.#sourceEnded) return null;
      this.#done = true;
      return END;
    }
    if (this.#source === null) this.#next += 1;
    else this.#chunks.shift();
    this.watcher?.uploadMoved();
    return { value: chunk, done: false };
  }
}
