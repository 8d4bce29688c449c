import { describe, expect, it } from 'vitest';
import { countedError, type PenaltyContext, penaltyFor } from '../../../src/core/verdicts/penalty.ts';
import { CONSEQUENCES, type VerdictClass } from '../../../src/core/verdicts/verdict.ts';
import { NOW } from '../candidates.ts';

function penalty(verdict: VerdictClass, context: Partial<PenaltyContext> = {}) {
  return penaltyFor(verdict, {
    now: NOW,
    retryAfterMs: null,
    quotaReturnsAt: null,
    rateLimitsInARow: 0,
    settings: { rotationCooldownSeconds: 300, paymentBlockSeconds: 3600 },
    ...context,
  });
}

function cooldownMs(verdict: VerdictClass, context: Partial<PenaltyContext> = {}): number {
  const found = penalty(verdict, context);
  return found?.kind === 'cooldown' ? found.cooldown.until - NOW : Number.NaN;
}

const DAY = 86_400_000;

describe('a penalty', () => {
  it.each<[VerdictClass, unknown]>([
    ['bad-key', { kind: 'block', block: { reason: 'auth', until: null } }],
    ['banned', { kind: 'block', block: { reason: 'banned', until: null } }],
    ['unpaid', { kind: 'block', block: { reason: 'payment_required', until: NOW + 3_600_000 } }],
    ['quota', { kind: 'cooldown', cooldown: { reason: 'quota', until: NOW + 300_000, end: 'guessed' } }],
    ['rate', { kind: 'cooldown', cooldown: { reason: 'rate', until: NOW + 5_000, end: 'guessed' } }],
    ['broken', { kind: 'cooldown', cooldown: { reason: 'upstream', until: NOW + 60_000, end: 'guessed' } }],
    ['refused', { kind: 'cooldown', cooldown: { reason: 'upstream', until: NOW + 60_000, end: 'guessed' } }],
    ['served', null],
    ['caller', null],
    ['agents-only', null],
    ['foreign', null],
    ['edge', null],
    ['no-model', null],
    ['overloaded', null],
  ])('for %s', (verdict, expected) => {
    expect(penalty(verdict)).toEqual(expected);
  });

  it('is given exactly to the classes that blame somebody', () => {
    for (const verdict of Object.keys(CONSEQUENCES) as VerdictClass[]) {
      expect([verdict, penalty(verdict) === null]).toEqual([verdict, CONSEQUENCES[verdict].blame === 'none']);
    }
  });

  it('for payment has no end when the setting is 0', () => {
    const settings = { rotationCooldownSeconds: 300, paymentBlockSeconds: 0 };
    expect(penalty('unpaid', { settings })).toEqual({ kind: 'block', block: { reason: 'payment_required', until: null } });
  });

  it('for quota ends with the window, else with Retry-After, else with the setting', () => {
    expect(cooldownMs('quota', { quotaReturnsAt: NOW + 7_200_000, retryAfterMs: 1000 })).toBe(7_200_000);
    expect(cooldownMs('quota', { quotaReturnsAt: NOW - 1, retryAfterMs: 1000 })).toBe(1000);
    expect(cooldownMs('quota', { quotaReturnsAt: NOW })).toBe(300_000);
  });

  it('for a rate limit follows Retry-After, else doubles up to the setting', () => {
    expect(cooldownMs('rate', { retryAfterMs: 1_152_000, rateLimitsInARow: 3 })).toBe(1_152_000);
    expect([0, 1, 2, 3, 6, 1_000_000].map((rateLimitsInARow) => cooldownMs('rate', { rateLimitsInARow }))).toEqual([
      5_000, 10_000, 20_000, 40_000, 300_000, 300_000,
    ]);
  });

  it.each<[string, VerdictClass, Partial<PenaltyContext>, number, string | undefined]>([
    ['a rate limit, as stated', 'rate', { retryAfterMs: 20 * 60_000 }, 20 * 60_000, undefined],
    ['a rate limit that states more', 'rate', { retryAfterMs: 366 * DAY }, 20 * 60_000, 'guessed'],
    ['a quota window, as stated', 'quota', { quotaReturnsAt: NOW + 20 * DAY }, 20 * DAY, undefined],
    ['a quota window that states more than a month', 'quota', { quotaReturnsAt: NOW + 400 * DAY }, 32 * DAY, 'guessed'],
    ['a quota without a window', 'quota', { retryAfterMs: 366 * DAY }, DAY, 'guessed'],
    ['a quota whose refusal names 5 hours', 'quota', { retryAfterMs: 366 * DAY, windowMs: 18_000_000 }, 18_000_000, 'guessed'],
    ['a quota whose refusal names a week', 'quota', { retryAfterMs: 3 * DAY, windowMs: 7 * DAY }, 3 * DAY, 'guessed'],
  ])('has a ceiling of its own, and says when its end is a guess: %s', (_, verdict, context, ms, end) => {
    const settings = { rotationCooldownSeconds: 1e9, paymentBlockSeconds: 0 };
    expect([cooldownMs(verdict, context), cooldownMs(verdict, { ...context, settings })]).toEqual([ms, ms]);
    const found = penalty(verdict, context);
    expect(found?.kind === 'cooldown' ? found.cooldown.end : null).toBe(end);
  });

  it('has its ceiling whatever the setting is', () => {
    const settings = { rotationCooldownSeconds: 1e9, paymentBlockSeconds: 0 };
    const cooldowns = (['rate', 'quota', 'broken', 'refused'] as const).map((verdict) =>
      cooldownMs(verdict, { settings, rateLimitsInARow: 99 }),
    );
    expect(cooldowns).toEqual([20 * 60_000, DAY, 60_000, 60_000]);
  });

  it('for a broken answer is a minute at most, less when the setting or Retry-After say so', () => {
    expect(cooldownMs('broken', { retryAfterMs: 3_600_000 })).toBe(60_000);
    expect(cooldownMs('broken', { retryAfterMs: 2_000 })).toBe(2_000);
    expect(cooldownMs('refused', { settings: { rotationCooldownSeconds: 10, paymentBlockSeconds: 0 } })).toBe(10_000);
  });
});

describe('an error counts', () => {
  it.each<[VerdictClass, number, unknown]>([
    ['bad-key', 401, 'errors401'],
    ['quota', 403, 'errors403'],
    ['refused', 403, 'errors403'],
    ['banned', 403, 'errors403'],
    ['unpaid', 403, 'errors403'],
    ['rate', 429, 'errors429'],
    ['quota', 429, 'errors429'],
    ['broken', 500, 'errors5xx'],
    ['broken', 503, 'errors5xx'],
    ['broken', 408, null],
    ['unpaid', 402, null],
    ['unpaid', 400, null],
    // A 401 on record blocks, and this 401 is about the model.
    ['no-model', 401, null],
    ['caller', 403, null],
    ['foreign', 401, null],
    ['edge', 502, null],
    ['overloaded', 429, null],
    ['overloaded', 503, null],
    ['served', 200, null],
  ])('%s with %i as %s', (verdict, status, counter) => {
    expect(countedError(verdict, status)).toBe(counter);
  });
});
