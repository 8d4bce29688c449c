import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';

/** What an attempt sends: nothing, the whole, or a stream that follows the client. */
export type UploadBody = Buffer | Upload | null;

/**
 * Reads the shared chunks from the start and follows. With a `source` to pace, it consumes them instead. As much of a
 * Readable as undici needs of a body (`on`, `pipe` to be told as one, `pause`, `resume`, `destroy`): a real one would
 * copy each chunk through buffers of its own and cost more than the upload.
 */
export class Upload extends EventEmitter {
  readonly #chunks: Buffer[];
  #next = 0;
  #source: IncomingMessage | null;
  #sourceEnded: boolean;
  #failure: Error | null;
  #flowing = false;
  #done = false;
  destroyed = false;
  /** Told whenever the upstream has taken a part. */
  onProgress: (() => void) | null = null;

  constructor(chunks: Buffer[], source: IncomingMessage | null, ended: boolean, failure: Error | null) {
    super();
    this.#chunks = chunks;
    this.#source = source;
    this.#sourceEnded = ended;
    this.#failure = failure;
  }

  /** undici asks for it and never calls it. */
  pipe(): never {
    throw new Error('An upload is read by events.');
  }

  paceWith(source: IncomingMessage): void {
    this.#source = source;
    this.#chunks.splice(0, this.#next);
    this.#next = 0;
    if (!this.#flowing) source.pause();
  }

  /** A chunk was added. */
  more(): void {
    if (this.#flowing) this.#deliver();
    else this.#source?.pause();
  }

  /** The client's body is whole. */
  end(): void {
    this.#sourceEnded = true;
    if (this.#flowing) this.#deliver();
  }

  resume(): this {
    if (this.#flowing || this.destroyed) return this;
    this.#flowing = true;
    // undici resumes before it has attached all its listeners.
    queueMicrotask(() => {
      if (this.#failure !== null) this.destroy(this.#failure);
      else this.#deliver();
    });
    return this;
  }

  pause(): this {
    this.#flowing = false;
    return this;
  }

  destroy(error?: Error | null): this {
    if (this.destroyed) return this;
    this.destroyed = true;
    this.#source?.resume();
    this.#source = null;
    if (error != null && !this.#done && this.listenerCount('error') > 0) this.emit('error', error);
    // Later, as a Readable does: undici still listens while it handles the end.
    queueMicrotask(() => this.emit('close'));
    return this;
  }

  #deliver(): void {
    while (this.#flowing && !this.destroyed && this.#next < this.#chunks.length) {
      const chunk = this.#chunks[this.#next] as Buffer;
      if (this.#source === null) this.#next += 1;
      else this.#chunks.shift();
      this.emit('data', chunk);
      this.onProgress?.();
    }
    if (this.destroyed || this.#done || !this.#flowing || this.#next < this.#chunks.length) return;
    if (this.#sourceEnded) {
      this.#done = true;
      this.emit('end');
    } else this.#source?.resume();
  }
}
