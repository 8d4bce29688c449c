import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutToWidth, displayWidth, padToWidth, wrapToWidth } from '../../src/cli/ui/width.ts';
import { COLORED } from './fixture.ts';

test.each([
  ['', 0],
  ['plain text', 10],
  ['日本語', 6],
  ['ｆｕｌｌ', 8],
  ['한글', 4],
  ['ключ', 4],
  ['café', 4],
  ['cafe\u0301', 4],
  ['😀', 2],
  ['❤️', 2],
  ['❤', 1],
  ['👩‍👩‍👧', 2],
  ['🇺🇦', 2],
  ['█░…', 3],
  ['ﾊﾝ', 2],
  ['⚡', 2],
  ['\u{18d00}', 2],
  ['\u{1aff5}', 2],
  ['䷀', 2],
  ['a\u200bb', 2],
])('%j takes %i columns', (text, columns) => {
  expect(displayWidth(text)).toBe(columns);
});

test('colour takes no room', () => {
  expect(displayWidth(COLORED.good('日本'))).toBe(4);
  expect(displayWidth(COLORED.strong(COLORED.bad('no')))).toBe(2);
});

test('padding counts columns, and leaves longer text alone', () => {
  expect(padToWidth('日本', 6)).toBe('日本  ');
  expect(padToWidth('9 %', 5, 'right')).toBe('  9 %');
  expect(padToWidth('longer', 3)).toBe('longer');
});

test('a wide character that does not fit whole is left out', () => {
  expect(cutToWidth('日本語', 4, '…')).toBe('日…');
  expect(cutToWidth('日本語', 6, '…')).toBe('日本語');
  expect(cutToWidth('abcdef', 2, '...')).toBe('ab');
});

test('text wraps at blanks, and inside a word only when the word is longer than a line', () => {
  expect(wrapToWidth('one two three', 7)).toEqual(['one two', 'three']);
  expect(wrapToWidth('see /a/very/long/path here', 8)).toEqual(['see', '/a/very/', 'long/pat', 'h here']);
  expect(wrapToWidth('', 5)).toEqual(['']);
});

test('a command in backticks stays whole where a line can hold it', () => {
  expect(wrapToWidth('Type `kmi rotate off`, then wait.', 20)).toEqual(['Type', '`kmi rotate off`,', 'then wait.']);
  expect(wrapToWidth('or `kmi doctor --clear-blocklist` now', 20)).toEqual(['or `kmi doctor', '--clear-blocklist`', 'now']);
  expect(wrapToWidth('a `b`, `c d` and an open ` mark', 10)).toEqual(['a `b`,', '`c d` and', 'an open `', 'mark']);
});

const texts = fc.string({ unit: fc.constantFrom('a', ' ', 'ж', '日', '😀', 'e\u0301', '…'), maxLength: 40 });

test('whatever the text, cutting and wrapping stay within the width, and wrapping loses nothing but blanks', () => {
  fc.assert(
    fc.property(texts, fc.integer({ min: 2, max: 30 }), (text, width) => {
      expect(displayWidth(cutToWidth(text, width, '…'))).toBeLessThanOrEqual(width);
      const lines = wrapToWidth(text, width);
      for (const line of lines) expect(displayWidth(line.trimEnd())).toBeLessThanOrEqual(width);
      expect(lines.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''));
    }),
  );
});
