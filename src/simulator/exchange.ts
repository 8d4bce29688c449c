import type { IncomingMessage, ServerResponse } from 'node:http';

/** How an exchange ended: answered to the end, left by the client, or broken off by the simulator. */
export type Outcome = 'served' | 'aborted' | 'broken';

/** One request and its answer, from the headers to the close. Knows when the client has gone. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The response is over, one way or another: write nothing more. */
  closed = false;
  /** Chunks of the body handed to the socket. */
  chunksSent = 0;
  #broken = false;
  #wake: (() => void) | null = null;

  constructor(request: IncomingMessage, response: ServerResponse, ended: (outcome: Outcome) => void) {
    this.request = request;
    this.response = response;
    response.once('close', () => {
      this.closed = true;
      this.#wake?.();
      ended(response.writableFinished ? 'served' : this.#broken ? 'broken' : 'aborted');
    });
  }

  /** Waits; a client that leaves ends the wait at once. */
  pause(ms: number): Promise<void> {
    return this.#until((done) => {
      const timer = setTimeout(done, ms);
      return () => clearTimeout(timer);
    });
  }

  /** Waits until the client has taken what was written, or has left. */
  drained(): Promise<void> {
    return this.#until((done) => {
      this.response.once('drain', done);
      return () => this.response.off('drain', done);
    });
  }

  /** Breaks the connection off after everything written has left. `reset` = TCP reset, `cut` = closed without the end. */
  async breakOff(how: 'reset' | 'cut'): Promise<void> {
    const { socket } = this.request;
    // Written chunks are corked until the next tick; a reset would discard them.
    await new Promise<void>((resolve) => setImmediate(resolve));
    // No event tells that the last bytes have left a socket that was never full.
    while (!this.closed && socket.writableLength > 0) await this.pause(1);
    this.markBroken();
    if (how === 'reset') socket.resetAndDestroy();
    else socket.destroy();
  }

  /** What comes now is the simulator's doing, not the client's. */
  markBroken(): void {
    this.#broken = true;
  }

  #until(start: (done: () => void) => () => void): Promise<void> {
    if (this.closed) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        stop();
        this.#wake = null;
        resolve();
      };
      const stop = start(done);
      this.#wake = done;
    });
  }
}

/** Reads a request's body; `complete` is false when the client left while it was sending. */
export function readBody(request: IncomingMessage, done: (body: Buffer, complete: boolean) => void): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => done(Buffer.concat(chunks), true));
  request.on('error', () => done(Buffer.concat(chunks), false));
}
