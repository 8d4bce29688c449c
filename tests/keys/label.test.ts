import { describe, expect, it, test } from 'vitest';
import { looksLikeKey } from '../../src/keys/key-text.ts';
import { movedLabels, problemOfLabel, suggestLabel, suggestLoginLabel } from '../../src/keys/label.ts';

describe('a label', () => {
  it.each(['work', 'key-2', 'alice@example.com', 'Ämter', '张三', '7', 'a.b_c+d', 'x'.repeat(39)])('%s will do', (label) => {
    expect(problemOfLabel(label)).toBeNull();
  });

  it.each(['', ' ', 'my key', '-work', '../up', 'a/b', 'a"b', 'constructor', '__proto__', 'x'.repeat(65), 'sk-kimi-abc'])(
    '%j will not do',
    (label) => {
      expect(problemOfLabel(label)).toMatch(/^[A-Z].*\.$/);
    },
  );
});

it.each([
  ['sk-kimi-0123456789abcdef', true],
  ['SK-x', true],
  ['0123456789abcdef0123456789abcdef01234567', true],
  ['work', false],
  ['alice@example.com', false],
  ['a-quite-long-label-of-a-team', false],
])('%s looks like a key: %s', (text, expected) => {
  expect(looksLikeKey(text)).toBe(expected);
});

it('the suggested label is free, and comes from the email when there is one', () => {
  expect(suggestLabel([])).toBe('main');
  expect(suggestLabel(['main'])).toBe('key-2');
  expect(suggestLabel(['main', 'KEY-3'])).toBe('key-4');
  expect(suggestLabel(['main'], 'alice@example.com')).toBe('alice');
  expect(suggestLabel(['Alice'], 'alice@example.com')).toBe('key-2');
});

it('labels that changed are found by the hash of the key', () => {
  const before = [
    { label: 'work', hash: 'a' },
    { label: 'work-2', hash: 'b' },
    { label: 'gone', hash: 'c' },
  ];
  const after = [
    { label: 'main', hash: 'a' },
    { label: 'work', hash: 'b' },
    { label: 'gone', hash: 'd' },
  ];
  expect([...movedLabels(before, after)]).toEqual([
    ['work', 'main'],
    ['work-2', 'work'],
  ]);
});

test.each<[string[], string | null, string | null, string]>([
  [[], 'ada@example.com', 'Ada L', 'ada'],
  [['ADA', 'ada-2'], 'ada@example.com', 'Ada L', 'ada-3'],
  [[], null, 'Ada  Lovelace', 'Ada-Lovelace'],
  [[], null, '用户8842', '用户8842'],
  [[], '%@example.com', 'x'.repeat(80), 'login'],
  [['login'], null, null, 'login-2'],
  [[], 'constructor@example.com', '', 'login'],
])('beside %j a login of %s, %s is called %s', (taken, email, nickname, label) => {
  expect(suggestLoginLabel(taken, { email, nickname })).toBe(label);
});
