import type { ClientAbort } from '../http/client-abort.ts';
import type { KeyPool } from './key-pool.ts';

/** setTimeout takes no longer delay. */
const LONGEST_MS = 2 ** 31 - 1;

type Waiter = { wake(): void };

/**
 * Requests that wait for a key, first come first served: when a key returns, the first in line is woken, looks, and
 * when it has found one the next is woken.
 */
export class WaitQueue {
  readonly #line: Waiter[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(pool: Pick<KeyPool, 'onChange'>) {
    pool.onChange(() => this.#wakeFirst());
  }

  get isEmpty(): boolean {
    return this.#line.length === 0;
  }

  /**
   * Calls `look` whenever this request is first in line and something may have changed, until it returns a value, the
   * time is over or the client leaves (both null). `returnsInMs` says when the next key is due, after a look in vain.
   */
  async wait<Found>(
    look: () => Found | null,
    returnsInMs: () => number | null,
    maxMs: number,
    client: ClientAbort,
  ): Promise<Found | null> {
    let wake: () => void = () => undefined;
    const waiter: Waiter = { wake: () => wake() };
    this.#line.push(waiter);
    client.notify({ clientLeft: () => wake() });
    // A flag, not a deadline to compare with: a timer may fire a moment before its time by another clock.
    let isOver = false;
    const giveUp = setTimeout(
      () => {
        isOver = true;
        wake();
      },
      Math.min(maxMs, LONGEST_MS),
    );
    try {
      for (;;) {
        if (client.hasLeft) return null;
        if (this.#line[0] === waiter) {
          const found = look();
          if (found !== null) return found;
          this.#wakeIn(returnsInMs());
        }
        if (isOver) return null;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      clearTimeout(giveUp);
      client.notify(null);
      this.#line.splice(this.#line.indexOf(waiter), 1);
      this.#wakeFirst();
    }
  }

  #wakeIn(ms: number | null): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    // Nobody knows when: a change of state or health wakes the line, and a look a second costs nothing.
    this.#timer = setTimeout(() => this.#wakeFirst(), Math.min(Math.max(ms ?? 1_000, 1), LONGEST_MS));
  }

  #wakeFirst(): void {
    this.#line[0]?.wake();
  }
}
