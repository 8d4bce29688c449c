/** setTimeout takes a longer delay for 1 ms. */
const LONGEST_MS = 2 ** 31 - 1;

export type Pauses = {
  /** Waits; never keeps the process alive. */
  readonly pause: (ms: number) => Promise<void>;
  /** Ends every pause there is. */
  readonly endAll: () => void;
};

export function createTimers(): Pauses {
  const running = new Set<() => void>();
  return {
    pause: (ms) =>
      new Promise((resolve) => {
        const end = (): void => {
          clearTimeout(timer);
          running.delete(end);
          resolve();
        };
        const timer = setTimeout(end, Math.min(Math.max(0, ms), LONGEST_MS));
        timer.unref();
        running.add(end);
      }),
    endAll: () => {
      for (const end of running) end();
    },
  };
}
