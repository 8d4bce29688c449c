import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashText } from '../../../src/core/sessions/session-hash.ts';
import { Sessions } from '../../../src/core/sessions/session-table.ts';

describe('the table of sessions', () => {
  it('behaves as a map of the sessions seen last', () => {
    const step = fc.record({ session: fc.integer({ min: 1, max: 40 }), account: fc.constantFrom('a', 'b', 'c') });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const table = new Sessions(16);
        const model = new Map<number, string>();
        for (const [at, { session, account }] of steps.entries()) {
          table.set(session, account, at);
          model.delete(session);
          model.set(session, account);
          const [oldest] = model.keys();
          if (model.size > 16 && oldest !== undefined) model.delete(oldest);
        }
        expect([...table.entries()].map(({ session, accountId }) => [session, accountId])).toEqual([...model]);
        for (let session = 1; session <= 40; session++) expect(table.accountOf(session)).toBe(model.get(session) ?? null);
        for (const id of ['a', 'b', 'c']) {
          expect(table.activeOn(id, 0)).toBe([...model.values()].filter((account) => account === id).length);
        }
      }),
    );
  });

  it('counts as active who was seen in the last half hour', () => {
    const table = new Sessions();
    table.set(1, 'a', 0);
    table.set(2, 'a', 10 * 60_000);
    table.set(3, 'b', 20 * 60_000);
    expect(table.activeOn('a', 30 * 60_000)).toBe(2);
    expect(table.activeOn('a', 31 * 60_000)).toBe(1);
    table.set(1, 'a', 32 * 60_000);
    expect(table.activeOn('a', 45 * 60_000)).toBe(1);
    expect(table.activeOn('b', 45 * 60_000)).toBe(1);
    expect(table.activeOn('nobody', 45 * 60_000)).toBe(0);
  });

  it('holds 100,000 sessions within 6 MB, and no more of them', () => {
    const table = new Sessions();
    for (let n = 0; n < 250_000; n++) table.set(hashText(`s${n}`), `account-${n % 20}`, n);
    expect(table.size).toBe(100_000);
    expect(table.bytes).toBeLessThanOrEqual(6_000_000);
    expect(table.accountOf(hashText('s249999'))).toBe('account-19');
    expect(table.accountOf(hashText('s149999'))).toBeNull();
    expect(table.dump().length).toBeLessThan(1_801_000);
  });

  it('comes back from a dump in the same order, and takes no damaged one', () => {
    const table = new Sessions();
    for (let n = 1; n <= 2_000; n++) table.set(hashText(`s${n}`), `account-${n % 7}`, n * 1000, n);
    const dump = table.dump();
    const other = new Sessions();
    expect(other.load(dump)).toBe(2_000);
    expect([...other.entries()]).toEqual([...table.entries()]);
    expect(new Sessions().load(dump.subarray(0, dump.length - 1))).toBe(0);
    expect(new Sessions().load(new Uint8Array(40))).toBe(0);
    expect(new Sessions().load(new Uint8Array(0))).toBe(0);
  });

  it('is, after a merge, the table of the newest sights of both', () => {
    const sight = fc.record({ session: fc.integer({ min: 1, max: 12 }), account: fc.constantFrom('a', 'b') });
    const sights = fc.array(sight, { maxLength: 30 });
    fc.assert(
      fc.property(sights, sights, (ours, theirs) => {
        const [table, other, model] = [new Sessions(8), new Sessions(8), new Map<number, { account: string; at: number }>()];
        const all = [
          ...ours.map((entry, n) => ({ ...entry, at: 2 * n, into: table })),
          ...theirs.map((entry, n) => ({ ...entry, at: 2 * n + 1, into: other })),
        ];
        for (const { session, account, at, into } of all) into.set(session, account, at);
        for (const known of [table, other]) {
          for (const { session, accountId, seenAt } of known.entries()) {
            if ((model.get(session)?.at ?? -1) < seenAt) model.set(session, { account: accountId, at: seenAt });
          }
        }
        table.merge([...other.entries()]);
        const newest = [...model].sort(([, a], [, b]) => a.at - b.at).slice(-8);
        expect([...table.entries()].map(({ session, accountId }) => [session, accountId])).toEqual(
          newest.map(([session, { account }]) => [session, account]),
        );
        for (const id of ['a', 'b']) {
          expect(table.activeOn(id, 0)).toBe(newest.filter(([, { account }]) => account === id).length);
        }
      }),
    );
  });

  it('takes the sessions of an account along to its new name, also to one that has sessions already', () => {
    const table = new Sessions();
    table.set(1, 'key:a', 1);
    table.set(2, 'b', 2);
    table.renameAccount('key:a', 'a');
    table.renameAccount('nobody', 'a');
    expect([table.accountOf(1), table.activeOn('a', 3), table.activeOn('key:a', 3)]).toEqual(['a', 1, 0]);
    table.set(3, 'key:a', 3);
    table.renameAccount('key:a', 'a');
    table.renameAccount('b', 'a');
    expect([1, 2, 3].map((session) => table.accountOf(session))).toEqual(['a', 'a', 'a']);
    expect(table.activeOn('a', 3)).toBe(3);
    table.set(2, 'b', 4);
    expect([table.activeOn('a', 4), table.activeOn('b', 4)]).toEqual([2, 1]);
    const again = new Sessions();
    expect(again.load(table.dump())).toBe(3);
    expect([...again.entries()].map(({ session, accountId }) => [session, accountId])).toEqual([
      [1, 'a'],
      [3, 'a'],
      [2, 'b'],
    ]);
  });
});
