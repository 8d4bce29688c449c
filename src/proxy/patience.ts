/** How often running attempts are looked at. Timeouts are whole seconds, so this is exact enough. */
const TICK_MS = 250;

/** Something that waits for the upstream. `ticksLeft` counts down; at 0 its patience is over. 0 from the start: it has no end. */
export type Waiting = { ticksLeft: number; runOut(): void };

const waiting = new Set<Waiting>();
let timer: NodeJS.Timeout | null = null;

/** Ticks for a time limit; 0 = none. */
export function ticksOf(ms: number): number {
  return ms <= 0 ? 0 : Math.ceil(ms / TICK_MS) + 1;
}

/**
 * Watches an attempt's time limits. One timer for all of them: a timer of its own for each, set again with every chunk,
 * would cost more than forwarding the chunk. Ticks are counted, not clock times, so a jump of the clock ends nothing.
 */
export function watchPatience(attempt: Waiting): void {
  waiting.add(attempt);
  timer ??= setInterval(tick, TICK_MS).unref();
}

export function unwatchPatience(attempt: Waiting): void {
  // The timer stays for the next request; it ends itself at the first tick without any.
  waiting.delete(attempt);
}

function tick(): void {
  if (waiting.size === 0 && timer !== null) {
    clearInterval(timer);
    timer = null;
    return;
  }
  for (const attempt of waiting) {
    if (attempt.ticksLeft > 0 && --attempt.ticksLeft === 0) attempt.runOut();
  }
}
