import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cachedShareOf, distributionOf } from '../../../src/core/trace/trace-stats.ts';
import { traceEvent } from '../../trace/event-fixture.ts';

const confidence = (text: string, expected?: readonly string[]) => distributionOf([...text], expected).confidence;

describe('the distribution of requests', () => {
  it('counts per key, most first, then by label', () => {
    expect(distributionOf([...'cabcab', 'b'])).toMatchObject({
      total: 7,
      counts: [
        ['b', 3],
        ['a', 2],
        ['c', 2],
      ],
    });
  });

  it('is certain when even, and when there is nothing to count', () => {
    expect([confidence('abcabc'), confidence('a'), confidence(''), confidence('', ['a', 'b'])]).toEqual([100, 100, 100, 100]);
  });

  it('loses the largest deviation in percent of the even share, and is never below 0', () => {
    expect(confidence('aab')).toBeCloseTo(100 - (0.5 / 1.5) * 100);
    expect(confidence('aaaaaaaab')).toBeCloseTo(100 - (3.5 / 4.5) * 100);
    expect(confidence('aaaaaaaaabc')).toBe(0);
  });

  it('sees the key that got nothing only when told of it', () => {
    expect([confidence('abab'), confidence('abab', ['a', 'b', 'c'])]).toEqual([100, 0]);
    expect(distributionOf(['a'], ['a', 'z']).counts).toEqual([
      ['a', 1],
      ['z', 0],
    ]);
  });

  it('counts labels that are names of object members', () => {
    expect(distributionOf(['__proto__', 'constructor', '__proto__']).counts).toEqual([
      ['__proto__', 2],
      ['constructor', 1],
    ]);
  });

  it('adds up, and lies between 0 and 100', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 60 }), fc.boolean(), (labels, told) => {
        const { total, counts, confidence } = distributionOf(labels, told ? ['a', 'e'] : []);
        expect(counts.reduce((sum, [, count]) => sum + count, 0)).toBe(total);
        expect(total).toBe(labels.length);
        expect(confidence).toBeGreaterThanOrEqual(0);
        expect(confidence).toBeLessThanOrEqual(100);
      }),
    );
  });
});

describe('the cached share of the input', () => {
  it('is taken over all tokens, not over requests', () => {
    const events = [
      traceEvent(1, { input_tokens: 900, cached_tokens: 900, output_tokens: 5 }),
      traceEvent(2, { input_tokens: 100, output_tokens: 5 }),
      traceEvent(3),
    ];
    expect(cachedShareOf(events)).toBe(0.9);
  });

  it('is not known where no request states its input', () => {
    expect(cachedShareOf([traceEvent(1), traceEvent(2, { output_tokens: 7 })])).toBeNull();
  });

  it('is never over all of it, whatever a file says', () => {
    expect(cachedShareOf([traceEvent(1, { input_tokens: 10, cached_tokens: 99 })])).toBe(1);
  });
});

it('measures each against the share its weight asks for', () => {
  const weightOf = (label: string) => ({ a: 1, b: 2, c: 5 })[label] ?? 0;
  expect(distributionOf([...'cbcacbcc'], [], weightOf).confidence).toBe(100);
  expect(distributionOf([...'cccccbba', ...'cccccbbb'], [], weightOf).confidence).toBe(50);
});
