/**
 * Whether the client of a request has left, and who must know at once. One listener at a time: an attempt, a pause or a
 * place in the waiting line, whichever the request is in. (An AbortSignal would do, at ten times the cost per request.)
 */
export class Departure {
  #hasLeft = false;
  #listener: (() => void) | null = null;

  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  /** The client left. */
  leave(): void {
    this.#hasLeft = true;
    this.#listener?.();
  }

  /** Calls `listener` when the client leaves; null for nobody. Not called for a departure that lies back. */
  notify(listener: (() => void) | null): void {
    this.#listener = listener;
  }
}
