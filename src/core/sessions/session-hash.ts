/**
 * A fast 53-bit hash (two 32-bit lanes of multiply-and-xor, mixed at the end as in cyrb53 and MurmurHash3). Not for
 * secrets: it spreads ids evenly, and any two processes agree. 53 bits, so that the result is an exact number: among
 * 100,000 sessions the odds that two share an id are below one in a million.
 */
export type HashState = { low: number; high: number };

export function newHash(seed = 0): HashState {
  return { low: 0xdeadbeef ^ seed, high: 0x41c6ce57 ^ seed };
}

export function addBytes(state: HashState, bytes: Uint8Array, from: number, to: number): void {
  let { low, high } = state;
  for (let at = from; at < to; at++) {
    const byte = bytes[at] as number;
    low = Math.imul(low ^ byte, 2654435761);
    high = Math.imul(high ^ byte, 1597334677);
  }
  state.low = low;
  state.high = high;
}

function addText(state: HashState, text: string): void {
  let { low, high } = state;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    low = Math.imul(low ^ code, 2654435761);
    high = Math.imul(high ^ code, 1597334677);
  }
  state.low = low;
  state.high = high;
}

export function addNumber(state: HashState, value: number): void {
  state.low = Math.imul(state.low ^ value, 2654435761);
  state.high = Math.imul(state.high ^ (value / 4294967296), 1597334677);
}

/** 1 to 2^53 - 1: never 0, so that 0 can mark an empty place in a table. */
export function finishHash({ low, high }: HashState): number {
  let a = Math.imul(low ^ (low >>> 16), 2246822507);
  a ^= Math.imul(high ^ (high >>> 13), 3266489909);
  let b = Math.imul(high ^ (high >>> 16), 2246822507);
  b ^= Math.imul(a ^ (a >>> 13), 3266489909);
  a ^= Math.imul(b ^ (b >>> 16), 2246822507);
  return 4294967296 * (2097151 & b) + (a >>> 0) || 1;
}

/** Text of ASCII characters hashes as its bytes do. */
export function hashText(text: string, seed = 0): number {
  const state = newHash(seed);
  addText(state, text);
  return finishHash(state);
}
