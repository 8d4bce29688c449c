import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maskKey } from '../../../src/core/keys/key.ts';
import { activeBlock, activeCooldown, newKeyState, recentErrorRate } from '../../../src/core/keys/key-state.ts';
import { NOW } from '../candidates.ts';

describe('a block', () => {
  it('is in force until its time, or without an end', () => {
    const at = (until: number | null) => activeBlock({ ...newKeyState(), block: { until, reason: 'banned' } }, NOW);
    expect([at(NOW - 1), at(NOW), at(NOW + 1)?.until, at(null)?.until]).toEqual([null, null, NOW + 1, null]);
    expect(activeBlock(newKeyState(), NOW)).toBeNull();
  });

  it('is also a 401 on record, but the block that is in force goes first', () => {
    expect(activeBlock({ ...newKeyState(), errors401: 1 }, NOW)).toEqual({ until: null, reason: 'auth' });
    const block = { until: NOW + 5, reason: 'payment_required' };
    expect(activeBlock({ ...newKeyState(), errors401: 1, block }, NOW)).toBe(block);
    expect(activeBlock({ ...newKeyState(), errors401: 1, block: { ...block, until: NOW } }, NOW)?.reason).toBe('auth');
  });
});

it('a cooldown is in force until its time', () => {
  const at = (until: number) => activeCooldown({ ...newKeyState(), cooldown: { until, reason: 'rate' } }, NOW);
  expect([at(NOW - 1), at(NOW), at(NOW + 1)?.until]).toEqual([null, null, NOW + 1]);
});

describe('the rate of recent errors', () => {
  const failing = { ...newKeyState(), requests: 60, errors401: 50, errors403: 1, errors429: 2, errors5xx: 3, failedAt: NOW };

  it('is 403, 429 and 5xx by requests, and defined for an unused key', () => {
    expect(recentErrorRate(failing, NOW)).toBe(0.1);
    expect(recentErrorRate(newKeyState(), NOW)).toBe(0);
    expect(recentErrorRate({ ...newKeyState(), errors429: 2, failedAt: NOW }, NOW)).toBe(2);
  });

  it('halves with each minute, and is nothing before long, on either side of a clock that jumps', () => {
    const one = { ...newKeyState(), requests: 1, errors5xx: 1, failedAt: NOW };
    expect([0, 1, 2, -1, 8, 1440].map((minutes) => recentErrorRate(one, NOW + minutes * 60_000))).toEqual([
      1, 0.5, 0.25, 0.5, 0, 0,
    ]);
  });

  it('of a state that does not say when is as old as the last request', () => {
    const old = { ...failing, failedAt: null };
    expect(recentErrorRate({ ...old, lastUsed: NOW - 60_000 }, NOW)).toBe(0.05);
    expect(recentErrorRate({ ...old, lastUsed: null }, NOW)).toBe(0);
  });
});

describe('a masked key', () => {
  it.each([
    ['', ''],
    ['a', '*'],
    ['12345678', '********'],
    ['123456789', '1234***6789'],
    ['sk-kimi-abcdefghijklmnop', 'sk-k***mnop'],
  ])('%j is shown as %j', (key, shown) => {
    expect(maskKey(key)).toBe(shown);
  });

  it('shows eight characters at most', () => {
    fc.assert(fc.property(fc.string(), (key) => maskKey(key).replaceAll('*', '').length <= 8));
  });
});
