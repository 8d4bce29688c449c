import fc from 'fast-check';
import { expect, it } from 'vitest';
import { foldUsage, groupUsage, OTHER, totalUsage, USAGE_GROUPS, type UsageRow } from '../../../src/core/tokens/usage-row.ts';

function row(fields: Partial<UsageRow>, input = 1): UsageRow {
  const tokens = { input, cached: 0, output: 0, reasoning: 0 };
  return { day: '2026-02-02', key: 'ada', account: 'u1', model: 'k3', session: 's1', requests: 1, tokens, ...fields };
}

const anyRow: fc.Arbitrary<UsageRow> = fc.record({
  day: fc.constantFrom('2026-02-01', '2026-02-02'),
  key: fc.constantFrom('ada', 'ben', '__proto__'),
  account: fc.constantFrom(null, 'u1', 'u2'),
  model: fc.constantFrom(null, 'k3', 'k4', 'k5'),
  session: fc.constantFrom(null, 'a', 'b', 'c', 'd', 'constructor'),
  requests: fc.nat({ max: 3 }),
  tokens: fc.record({
    input: fc.nat({ max: 99 }),
    cached: fc.nat({ max: 9 }),
    output: fc.nat({ max: 9 }),
    reasoning: fc.nat({ max: 9 }),
  }),
});

it('groups by one field, most tokens first, days in order', () => {
  const rows = [row({ key: 'ada' }, 5), row({ key: 'ben', day: '2026-02-01' }, 9), row({ key: 'ada', session: null }, 1)];
  expect(groupUsage(rows, 'key').map(({ name, requests, tokens }) => [name, requests, tokens.input])).toEqual([
    ['ben', 1, 9],
    ['ada', 2, 6],
  ]);
  expect(groupUsage(rows, 'day').map(({ name }) => name)).toEqual(['2026-02-01', '2026-02-02']);
  expect(groupUsage(rows, 'session').map(({ name }) => name)).toEqual(['s1', null]);
  expect(groupUsage([], 'key')).toEqual([]);
});

it('however it is grouped, the total is the same', () => {
  fc.assert(
    fc.property(fc.array(anyRow), fc.constantFrom(...USAGE_GROUPS), (rows, by) => {
      expect(totalUsage(groupUsage(rows, by))).toEqual(totalUsage(rows));
    }),
  );
});

it('folding keeps every sum by day, key and account, and the bounds', () => {
  fc.assert(
    fc.property(fc.array(anyRow, { maxLength: 60 }), fc.nat({ max: 4 }), fc.nat({ max: 3 }), (rows, sessions, models) => {
      const folded = foldUsage(rows, { sessions, models });
      for (const by of ['day', 'key', 'account'] as const) expect(groupUsage(folded, by)).toEqual(groupUsage(rows, by));
      const named = (field: 'session' | 'model') =>
        new Set(folded.map((kept) => kept[field]).filter((name) => name !== null && name !== OTHER));
      expect(named('session').size).toBeLessThanOrEqual(sessions);
      expect(named('model').size).toBeLessThanOrEqual(models);
      expect(foldUsage(folded, { sessions, models })).toEqual(folded);
    }),
  );
});

it('the sessions with the most tokens are the ones that keep their name', () => {
  const rows = [
    row({ session: 'small' }, 1),
    row({ session: 'large' }, 50),
    row({ session: 'tiny' }, 1),
    row({ session: null }, 99),
  ];
  const folded = foldUsage(rows, { sessions: 1, models: 5 });
  expect(folded.map(({ session, requests }) => [session, requests])).toEqual([
    [OTHER, 2],
    ['large', 1],
    [null, 1],
  ]);
});
