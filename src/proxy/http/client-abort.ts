/** Who must know at once that the client left. */
export type ClientAbortListener = { clientLeft(): void };

/**
 * Whether the client of a request has left, and who must know at once. One listener at a time: an attempt, a pause or a
 * place in the wait queue, whichever the request is in. (An AbortSignal would do, at ten times the cost per request.)
 */
export class ClientAbort {
  #hasLeft = false;
  #listener: ClientAbortListener | null = null;

  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  /** The client left. */
  leave(): void {
    this.#hasLeft = true;
    this.#listener?.clientLeft();
  }

  /** Tells `listener` when the client leaves; null for nobody. A client that left before is not reported. */
  notify(listener: ClientAbortListener | null): void {
    this.#listener = listener;
  }

  /** Waits; false as soon as the client leaves. */
  staysFor(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (stays: boolean) => {
        clearTimeout(timer);
        this.notify(null);
        resolve(stays);
      };
      const timer = setTimeout(() => done(true), ms);
      this.notify({ clientLeft: () => done(false) });
      if (this.#hasLeft) done(false);
    });
  }
}
