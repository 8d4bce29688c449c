import { expect, it } from 'vitest';
import { hasWallet, quotaReturnsAt, readingAt } from '../../../src/core/quota/key-health.ts';
import type { QuotaWindow } from '../../../src/core/quota/quota.ts';
import { aUsage, NOW } from '../candidates.ts';

const window = (remainingShare: number | null, resetsAt: number | null): QuotaWindow => ({
  label: '5h limit',
  remainingShare,
  used: null,
  limit: null,
  resetsAt,
  resetHint: null,
  durationMs: null,
});

it.each<[string, QuotaWindow[], number | null]>([
  ['no window', [], null],
  ['none empty', [window(0.1, NOW), window(1, null)], null],
  ['one empty', [window(0, NOW + 5), window(0.5, NOW + 9)], NOW + 5],
  ['the later of two empty ones', [window(0, NOW + 9), window(-0.2, NOW + 5)], NOW + 9],
  ['one empty without a time', [window(0, NOW + 9), window(0, null)], null],
  ['one that says nothing', [window(0, NOW + 9), window(null, null)], NOW + 9],
])('quota returns when all empty windows are full again: %s', (_, windows, expected) => {
  expect(quotaReturnsAt({ usage: { ...aUsage(null), windows }, fetchedAt: NOW })).toBe(expected);
});

it('quota returns a window later at the latest, whatever reset is stated, and a month later when the window has no length', () => {
  const at = (durationMs: number | null) =>
    quotaReturnsAt({ usage: { ...aUsage(0), windows: [{ ...window(0, NOW + 1e12), durationMs }] }, fetchedAt: NOW });
  expect([at(18_000_000), at(null)]).toEqual([NOW + 18_000_000, NOW + 32 * 86_400_000]);
});

it('a wallet counts when there is money in it', () => {
  expect([null, 0, -1, 0.5, 100].map((cents) => hasWallet(aUsage(0, cents)))).toEqual([false, false, false, true, true]);
  expect(hasWallet(null)).toBe(false);
});

it('an earlier reading says nothing of the windows that were reset since, and goes when none is left', () => {
  const reading = (...windows: QuotaWindow[]) => ({ usage: { ...aUsage(0.1), windows }, error: null, fetchedAt: NOW - 9 });
  const untouched = reading(window(0.1, NOW + 1), window(0.5, null));
  expect(readingAt(untouched, NOW)).toBe(untouched);
  const later = readingAt(reading(window(0.1, NOW), window(0.5, NOW + 1)), NOW);
  expect(later?.usage?.windows.map(({ remainingShare }) => remainingShare)).toEqual([null, 0.5]);
  expect(later?.usage?.remainingShare).toBe(0.5);
  expect(readingAt(reading(window(0, NOW - 1)), NOW)).toBeNull();
  const failed = { usage: null, error: 'HTTP 500', fetchedAt: NOW };
  expect(readingAt(failed, NOW)).toBe(failed);
});
