import type { KeyPool } from './key-pool.ts';
import { WaitQueue } from './wait-queue.ts';

/**
 * Where requests wait: one line for all that any account can serve, and a line of its own for each account whose files
 * requests name, so that nobody waits behind a request that only a used-up account can serve.
 */
export class WaitQueues {
  readonly #pool: KeyPool;
  readonly #common: WaitQueue;
  readonly #byAccount = new Map<string, WaitQueue>();

  constructor(pool: KeyPool) {
    this.#pool = pool;
    this.#common = new WaitQueue(pool);
  }

  /** `fileAccountId`: null for a request that any account can serve. */
  for(fileAccountId: string | null): WaitQueue {
    if (fileAccountId === null) return this.#common;
    let queue = this.#byAccount.get(fileAccountId);
    if (queue === undefined) {
      queue = new WaitQueue(this.#pool);
      this.#byAccount.set(fileAccountId, queue);
    }
    return queue;
  }
}
