import { expect, it } from 'vitest';
import { isStrategy, STRATEGIES, strategyInForce } from '../../../src/core/choosing/strategy.ts';

it('what was chosen goes before the setting', () => {
  expect(strategyInForce('sticky', 'quota')).toEqual({ strategy: 'sticky', source: 'chosen' });
  expect(strategyInForce(null, 'quota')).toEqual({ strategy: 'quota', source: 'setting' });
});

it.each(['', 'Sticky', 'random', 'toString', null, 1])('%j is no strategy', (value) => {
  expect(isStrategy(value)).toBe(false);
});

it('each that there is is one', () => {
  expect(STRATEGIES.every(isStrategy)).toBe(true);
});
