import { describe, expect, it } from 'vitest';
import { fetchAllHealth } from '../../src/health/fetch-all.ts';
import { good, keyNamed } from './keys.ts';

const now = (): number => 1000;
const KEYS = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((label) => keyNamed(label));

describe('fetchAllHealth', () => {
  it('asks side by side, three at a time, and gives the answers in the order of the keys', async () => {
    let running = 0;
    let most = 0;
    const arrived: string[] = [];
    const results = await fetchAllHealth(KEYS, {
      now,
      fetch: async (key) => {
        running += 1;
        most = Math.max(most, running);
        // The first key answers after the second.
        for (let turn = key.label === 'a' ? 5 : 1; turn > 0; turn -= 1) await new Promise(setImmediate);
        running -= 1;
        return good(0.5, 1000);
      },
      onResult: (key) => arrived.push(key.label),
    });
    expect(most).toBe(3);
    expect([...results.keys()]).toEqual(KEYS.map((key) => key.label));
    expect(arrived).toHaveLength(KEYS.length);
    expect(arrived.indexOf('a')).toBeGreaterThan(arrived.indexOf('b'));
  });

  it('turns a fetch that throws into an error of its key alone', async () => {
    const results = await fetchAllHealth(KEYS, {
      now,
      fetch: async (key) => {
        if (key.label === 'b') throw new Error(`broken for ${key.value}`);
        return good(1, 1000);
      },
    });
    expect(results.get('b')).toEqual({ usage: null, error: 'broken for ***', fetchedAt: 1000 });
    expect([...results.values()].filter((health) => health.error === null)).toHaveLength(KEYS.length - 1);
  });

  it('answers for no keys', async () => {
    const fetch = async () => good(1, 1000);
    expect((await fetchAllHealth([], { now, fetch })).size).toBe(0);
  });
});
