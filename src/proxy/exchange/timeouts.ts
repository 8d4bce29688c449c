/** How often running attempts are looked at. Timeouts are whole seconds, so this is exact enough. */
const TICK_MS = 250;

/** Something with a time limit. `ticksLeft` counts down and at 0 it has timed out. 0 from the start: no limit. */
export type Timed = {
  ticksLeft: number;
  /** Its place here while it is watched. */
  slot: number;
  timedOut(): void;
};

/**
 * Who is watched, by slot; free slots are null. Not a Set: with a value added and deleted for every request, the tables a
 * Set leaves behind keep dead requests alive until a full collection, which cost a third of the proxy's time.
 */
const watched: (Timed | null)[] = [];
const freeSlots: number[] = [];
let timer: NodeJS.Timeout | null = null;

/** Ticks for a time limit; 0 = none. */
export function ticksOf(ms: number): number {
  return ms <= 0 ? 0 : Math.ceil(ms / TICK_MS) + 1;
}

/**
 * Watches an attempt's time limits. One timer for all of them: a timer of its own for each, set again with every chunk,
 * would cost more than forwarding the chunk. Ticks are counted, not clock times, so a jump of the clock ends nothing.
 */
export function watchTimeouts(attempt: Timed): void {
  attempt.slot = freeSlots.pop() ?? watched.length;
  watched[attempt.slot] = attempt;
  timer ??= setInterval(tick, TICK_MS).unref();
}

export function unwatchTimeouts(attempt: Timed): void {
  // The timer stays for the next request; it ends itself at the first tick without any.
  if (watched[attempt.slot] !== attempt) return;
  watched[attempt.slot] = null;
  freeSlots.push(attempt.slot);
}

function tick(): void {
  if (freeSlots.length === watched.length && timer !== null) {
    clearInterval(timer);
    timer = null;
    return;
  }
  for (const attempt of watched) {
    if (attempt !== null && attempt.ticksLeft > 0 && --attempt.ticksLeft === 0) attempt.timedOut();
  }
}
