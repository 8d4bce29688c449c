/** Work that comes together is done together: at this much of it, or after this time. */
const BATCH = 32;
const WAIT_MS = 25;

/** What keeps more than this in memory is not kept waiting. */
const HELD_MAX_BYTES = 16 * 1024;

/** What is left to do for a request once its answer has gone. Must not fail. */
export type DeferredTask = { doDeferred(): void | Promise<void> };

/**
 * Does what can wait until the answers have gone, for several requests at once. Books and trace touch much code and few
 * data: done for one request between the sockets of others, they would push those out of the processor's caches and be
 * pushed out themselves, which cost more than the work.
 */
export class DeferredWork {
  #left: DeferredTask[] = [];
  #timer: NodeJS.Timeout | null = null;
  #soon: NodeJS.Immediate | null = null;
  /** Begun and not done. */
  #open = 0;
  #onDone: (() => void) | null = null;

  /** `heldBytes`: what the task keeps in memory. */
  add(task: DeferredTask, heldBytes: number): void {
    this.#left.push(task);
    // Once the answers of this turn have left.
    if (this.#left.length >= BATCH || heldBytes > HELD_MAX_BYTES) this.#soon ??= setImmediate(() => this.catchUp());
    // It stays when a full batch comes first: for the next one, or to find nothing.
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.catchUp();
    }, WAIT_MS);
  }

  /** Does now what is left. Comes back when all is done. */
  async finish(): Promise<void> {
    this.catchUp();
    while (this.#open > 0) {
      await new Promise<void>((resolve) => {
        this.#onDone = resolve;
      });
    }
  }

  /** Does now, in order, what is left. */
  catchUp(): void {
    if (this.#soon !== null) clearImmediate(this.#soon);
    this.#soon = null;
    const left = this.#left;
    if (left.length === 0) return;
    this.#left = [];
    for (const task of left) this.#do(task);
  }

  #do(task: DeferredTask): void {
    const done = task.doDeferred();
    if (done !== undefined) void this.#track(done);
  }

  async #track(done: Promise<void>): Promise<void> {
    this.#open += 1;
    await done;
    this.#open -= 1;
    if (this.#open === 0) this.#onDone?.();
  }
}
