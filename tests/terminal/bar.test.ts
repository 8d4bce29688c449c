import fc from 'fast-check';
import { expect, test } from 'vitest';
import { percentText, renderBar } from '../../src/cli/ui/bar.ts';
import { COLORED, PLAIN, UNCOLORED } from './fixture.ts';

test.each([
  [1, '##########', '100 %'],
  [0.999, '#########-', '99 %'],
  [0.62, '######----', '62 %'],
  [0.004, '#---------', '<1 %'],
  [0, '----------', '0 %'],
  [null, '..........', '?'],
])('a share of %s is the bar %s and the words %s', (share, bar, text) => {
  expect(renderBar(share, 10, PLAIN)).toBe(bar);
  expect(percentText(share)).toBe(text);
});

test('colour says what the length says', () => {
  expect(renderBar(1, 2, COLORED)).toBe(COLORED.good('██'));
  expect(renderBar(0.1, 2, COLORED)).toBe(COLORED.warn('█') + COLORED.dim('░'));
  expect(renderBar(0, 2, COLORED)).toBe(COLORED.dim('░░'));
});

test('only nothing looks empty and only everything looks full, at any width', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 2, max: 60 }), (share, width) => {
      const bar = renderBar(share, width, UNCOLORED);
      expect([...bar]).toHaveLength(width);
      expect(bar.includes('█')).toBe(share > 0);
      expect(bar.includes('░')).toBe(share < 1);
    }),
  );
});
