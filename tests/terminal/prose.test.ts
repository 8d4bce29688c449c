import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { wrapProse } from '../../src/cli/ui/prose.ts';
import { displayWidth } from '../../src/cli/ui/width.ts';
import { COLORED } from './fixture.ts';

test('a sentence is broken at blanks, whatever of it is coloured', () => {
  const text = `${COLORED.warn('Dry-run')}: nothing is sent to the upstream; ${COLORED.accent('KMI_DRY_RUN=0')} makes it live.`;
  const lines = wrapProse(text, 30);
  expect(lines.map(stripVTControlCharacters)).toEqual([
    'Dry-run: nothing is sent to',
    'the upstream; KMI_DRY_RUN=0',
    'makes it live.',
  ]);
  for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(30);
});

test('a command in backticks stays whole', () => {
  expect(wrapProse('Stop it with `kmi stop -f` now', 20)).toEqual(['Stop it with', '`kmi stop -f` now']);
});

test('what fits, and what has no width to keep to, stays as it is, blanks and all', () => {
  expect(wrapProse('a  b ', 10)).toEqual(['a  b ']);
  expect(wrapProse('a  b '.repeat(50), Number.POSITIVE_INFINITY)).toEqual(['a  b '.repeat(50)]);
});

test('further lines stand below the first, and an address is never broken', () => {
  expect(wrapProse('    one two three', 11)).toEqual(['    one two', '    three']);
  expect(wrapProse(COLORED.dim('    one two three'), 11).map(stripVTControlCharacters)).toEqual(['    one two', '    three']);
  expect(wrapProse('see http://127.0.0.1:54123/kmi-rotor/v1 now', 12)).toEqual([
    'see',
    'http://127.0.0.1:54123/kmi-rotor/v1',
    'now',
  ]);
});
