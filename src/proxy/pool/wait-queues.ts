import type { KeyPool } from './key-pool.ts';
import { WaitingRoom } from './wait-queue.ts';

/**
 * Where requests wait: one line for all that any account can serve, and a line of its own for each account whose files
 * requests name, so that nobody waits behind a request that only a used-up account can serve.
 */
export class WaitingRooms {
  readonly #pool: KeyPool;
  readonly #common: WaitingRoom;
  readonly #byAccount = new Map<string, WaitingRoom>();

  constructor(pool: KeyPool) {
    this.#pool = pool;
    this.#common = new WaitingRoom(pool);
  }

  /** `fileAccountId`: null for a request that any account can serve. */
  for(fileAccountId: string | null): WaitingRoom {
    if (fileAccountId === null) return this.#common;
    let room = this.#byAccount.get(fileAccountId);
    if (room === undefined) {
      room = new WaitingRoom(this.#pool);
      this.#byAccount.set(fileAccountId, room);
    }
    return room;
  }
}
