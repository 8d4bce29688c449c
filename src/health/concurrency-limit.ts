/** Runs work at once while fewer than `limit` others run, else when its turn comes, in order of asking. */
export type Gate = <T>(work: () => Promise<T>) => Promise<T>;

export function limitConcurrency(limit: number): Gate {
  const room = Math.max(1, limit);
  const waiting: (() => void)[] = [];
  let next = 0;
  let running = 0;

  return async (work) => {
    // A finished one hands its place over, so nobody slips in between.
    if (running < room) running += 1;
    else await new Promise<void>((enter) => waiting.push(enter));
    try {
      return await work();
    } finally {
      const enter = waiting[next];
      if (enter === undefined) running -= 1;
      else {
        next += 1;
        if (next === waiting.length) {
          waiting.length = 0;
          next = 0;
        }
        enter();
      }
    }
  };
}
