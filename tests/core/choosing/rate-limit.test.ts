import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateLimit } from '../../../src/core/choosing/rate-limit.ts';

function limited(perSecond: number, perMinute: number, startAt = 1_000_000) {
  let now = startAt;
  const limit = new RateLimit({ perSecond, perMinute }, () => now);
  return {
    limit,
    advance(ms: number) {
      now += ms;
    },
    now: () => now,
    /** How many requests pass at once. */
    drain() {
      let passed = 0;
      while (limit.waitMs() === 0 && passed < 10_000) {
        limit.take();
        passed += 1;
      }
      return passed;
    },
  };
}

describe('a rate limit', () => {
  it('of 0 is none', () => {
    const { limit, drain } = limited(0, 0);
    expect([limit.isOff, limit.waitMs(), drain()]).toEqual([true, 0, 10_000]);
  });

  it('lets a burst up to the limit pass at once, then one by one', () => {
    const { limit, drain, advance } = limited(4, 0);
    expect([limit.isOff, drain(), limit.waitMs()]).toEqual([false, 4, 250]);
    advance(249);
    expect(drain()).toBe(0);
    advance(2);
    expect([drain(), limit.waitMs()]).toEqual([1, 249]);
  });

  it('is full again after its window, and no fuller after a year', () => {
    const { drain, advance } = limited(4, 0);
    drain();
    advance(1000);
    expect(drain()).toBe(4);
    advance(366 * 86_400_000);
    expect(drain()).toBe(4);
  });

  it('keeps to the stricter of second and minute', () => {
    const { limit, drain, advance } = limited(10, 15);
    expect(drain()).toBe(10);
    advance(1000);
    expect(drain()).toBe(5);
    // A quarter of a token flowed into the minute's bucket; a whole one takes four seconds.
    expect(limit.waitMs()).toBe(3000);
  });

  it('takes nothing by being asked', () => {
    const { limit, drain } = limited(3, 0);
    for (let n = 0; n < 100; n++) limit.waitMs();
    expect(drain()).toBe(3);
  });

  it('goes on from the new time when the clock is set back, without a gift or a loss', () => {
    const { limit, drain, advance } = limited(2, 0);
    drain();
    advance(-3_600_000);
    expect(limit.waitMs()).toBe(500);
    advance(500);
    expect(drain()).toBe(1);
  });

  it('passes a request after exactly the wait it stated', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.nat(300), fc.array(fc.nat(400), { maxLength: 30 }), (rps, rpm, gaps) => {
        const { limit, drain, advance } = limited(rps, rpm);
        for (const gap of gaps) {
          advance(gap);
          drain();
          const wait = limit.waitMs();
          expect(wait).toBeGreaterThan(0);
          advance(wait);
          // Rounding of a share of a token costs a millisecond at most.
          if (limit.waitMs() > 0) advance(1);
          expect(limit.waitMs()).toBe(0);
        }
      }),
    );
  });

  it('never lets more pass in any stretch of time than the full bucket and what flows in meanwhile', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 700 }), { minLength: 1, maxLength: 120 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 60 }), gaps, (rps, rpm, all) => {
        const { limit, advance, now } = limited(rps, rpm);
        const passed: number[] = [];
        for (const gap of all) {
          advance(gap);
          if (limit.waitMs() > 0) continue;
          limit.take();
          passed.push(now());
        }
        for (let from = 0; from < passed.length; from++) {
          for (let to = from; to < passed.length; to++) {
            const ms = (passed[to] as number) - (passed[from] as number);
            const count = to - from + 1;
            expect(count).toBeLessThanOrEqual(rps + (rps * ms) / 1000 + 1e-6);
            expect(count).toBeLessThanOrEqual(rpm + (rpm * ms) / 60_000 + 1e-6);
          }
        }
      }),
    );
  });
});
