/** Who must know at once that the client left. */
export type DepartureListener = { clientLeft(): void };

/**
 * Whether the client of a request has left, and who must know at once. One listener at a time: an attempt, a pause or a
 * place in the waiting line, whichever the request is in. (An AbortSignal would do, at ten times the cost per request.)
 */
export class Departure {
  #hasLeft = false;
  #listener: DepartureListener | null = null;

  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  /** The client left. */
  leave(): void {
    this.#hasLeft = true;
    this.#listener?.clientLeft();
  }

  /** Tells `listener` when the client leaves; null for nobody. Not told of a departure that lies back. */
  notify(listener: DepartureListener | null): void {
    this.#listener = listener;
  }
}
