import { it } from 'vitest';

export type Random = {
  /** 0 to 1, as Math.random. */
  readonly share: () => number;
  /** A whole number from `low` to `high`, both included. */
  readonly between: (low: number, high: number) => number;
  readonly pick: <Item>(items: readonly Item[]) => Item;
  readonly seed: number;
};

/** Mulberry32: the same faults in the same order for the same seed. */
function randomOf(seed: number): Random {
  let state = seed >>> 0;
  const share = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (low: number, high: number) => low + Math.floor(share() * (high - low + 1));
  return { share, between, pick: (items) => items[between(0, items.length - 1)] as never, seed };
}

/** A test with faults drawn from `KMI_FAULT_SEED`, else from a new seed; a failure names the seed that shows it again. */
export function itSurvives(title: string, timeoutMs: number, check: (random: Random) => Promise<void>): void {
  const given = process.env.KMI_FAULT_SEED;
  const seed = given === undefined || given === '' ? Math.floor(Math.random() * 2 ** 32) : Number(given);
  it(title, { timeout: timeoutMs }, async () => {
    try {
      await check(randomOf(seed));
    } catch (error) {
      if (error instanceof Error)
        error.message += `\nThe faults came from seed ${seed}: set KMI_FAULT_SEED=${seed} to see them again.`;
      throw error;
    }
  });
}
