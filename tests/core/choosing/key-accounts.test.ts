import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type AccountedKey, countAccounts, siblingsByLabel } from '../../../src/core/choosing/key-accounts.ts';

const key = (label: string, account: string | null, disabled = false): AccountedKey => ({ label, account, disabled });

it.each([
  ['no keys', [], { keys: 0, accounts: 0, unknown: 0, shared: [] }],
  ['keys of their own accounts', [key('a', 'x'), key('b', 'y')], { keys: 2, accounts: 2, unknown: 0, shared: [] }],
  [
    'two keys of one account',
    [key('a', 'x'), key('b', 'y'), key('c', 'x')],
    { keys: 3, accounts: 2, unknown: 0, shared: [{ account: 'x', labels: ['a', 'c'] }] },
  ],
  [
    'unknown accounts, one each',
    [key('a', null), key('b', null), key('c', 'x')],
    { keys: 3, accounts: 3, unknown: 2, shared: [] },
  ],
  ['a second key that is disabled', [key('a', 'x'), key('b', 'x', true)], { keys: 2, accounts: 1, unknown: 0, shared: [] }],
] as const)('counts %s', (_name, keys, expected) => {
  expect(countAccounts(keys)).toEqual(expected);
});

it('the siblings of a key are the others of its account, disabled or not', () => {
  const siblings = siblingsByLabel([
    key('a', 'x'),
    key('b', 'x', true),
    key('c', 'x'),
    key('d', 'y'),
    key('e', null),
    key('f', null),
  ]);
  expect([...siblings]).toEqual([
    ['a', ['b', 'c']],
    ['b', ['a', 'c']],
    ['c', ['a', 'b']],
  ]);
});

it('there are never more accounts than keys, nor fewer than the known ones, and every shared label has its siblings', () => {
  const keys = fc.uniqueArray(
    fc.record({ label: fc.string(), account: fc.option(fc.constantFrom('x', 'y', 'z')), disabled: fc.boolean() }),
    {
      selector: ({ label }) => label,
    },
  );
  fc.assert(
    fc.property(keys, (all) => {
      const { accounts, shared, unknown } = countAccounts(all);
      expect(accounts).toBe(new Set(all.map(({ account, label }) => account ?? `label ${label}`)).size);
      expect(unknown).toBe(all.filter(({ account }) => account === null).length);
      const siblings = siblingsByLabel(all);
      for (const { labels } of shared) for (const label of labels) expect(siblings.get(label)?.length).toBeGreaterThan(0);
    }),
  );
});
