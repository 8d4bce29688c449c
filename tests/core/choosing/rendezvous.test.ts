import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rendezvousOrder } from '../../../src/core/choosing/rendezvous.ts';
import { hashText } from '../../../src/core/sessions/session-hash.ts';

const accounts = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { minLength: 2, maxLength: 12 });
const session = fc.string().map((name) => hashText(name));

describe('rendezvous order', () => {
  it('does not depend on the order the accounts are named in', () => {
    fc.assert(
      fc.property(accounts, session, (ids, id) => {
        expect(rendezvousOrder(id, [...ids].reverse())).toEqual(rendezvousOrder(id, ids));
      }),
    );
  });

  it('keeps the order of the others when an account is removed', () => {
    fc.assert(
      fc.property(accounts, session, (ids, id) => {
        const [gone, ...rest] = ids as [string, ...string[]];
        expect(rendezvousOrder(id, rest)).toEqual(rendezvousOrder(id, ids).filter((account) => account !== gone));
      }),
    );
  });

  it('gives every account its share of the sessions', () => {
    const ids = Array.from({ length: 20 }, (_, n) => `account-${n + 1}`);
    const counts = new Map(ids.map((id) => [id, 0]));
    for (let n = 0; n < 20_000; n++) {
      const [first] = rendezvousOrder(hashText(`s${n}`), ids) as [string];
      counts.set(first, (counts.get(first) ?? 0) + 1);
    }
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(160);
  });
});
