import { setTimeout as delay } from 'node:timers/promises';

/** Asks again until `look` neither throws nor answers undefined; then fails with what it threw last. For files, which tell nobody. */
export async function eventually<Value>(look: () => Promise<Value> | Value, timeoutMs = 15_000): Promise<NonNullable<Value>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let failure: unknown = new Error(`Nothing came in ${timeoutMs} ms.`);
    try {
      const value = await look();
      if (value !== undefined && value !== null) return value;
    } catch (error) {
      failure = error;
    }
    if (performance.now() >= deadline) throw failure;
    await delay(10);
  }
}
