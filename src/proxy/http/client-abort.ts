/** Something that must stop at once when the client leaves. */
export type ClientAbortListener = { clientLeft(): void };

/**
 * Says whether the client of a request has left, and tells one listener at the moment it leaves. One is enough: a request
 * is in an attempt, in a pause or in the wait queue, never in two of them. (An AbortSignal costs ten times as much per
 * request.)
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

  /** Waits for `ms`: resolves to true after that time, or to false as soon as the client leaves. */
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
