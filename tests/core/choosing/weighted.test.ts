import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AccountCandidate, type AccountPool, groupAccounts } from '../../../src/core/choosing/account-pool.ts';
import type { Chosen } from '../../../src/core/choosing/choice.ts';
import { weighted } from '../../../src/core/choosing/strategies/weighted.ts';
import type { PickOptions } from '../../../src/core/choosing/why-not.ts';
import type { KeyState } from '../../../src/core/keys/key-state.ts';
import { aCandidate, NOW } from '../candidates.ts';

type Given = {
  readonly label?: string;
  readonly account?: string;
  readonly state?: Partial<KeyState>;
  readonly inFlight?: number;
};

/** At most one request at a time for an account. */
function candidate(weight: number, n: number, { label, account, state = {}, inFlight = 0 }: Given = {}): AccountCandidate {
  const made = aCandidate(label ?? `key-${n}`, { state });
  const accountId = account ?? `account-${n}`;
  return { ...made, key: { ...made.key, weight }, accountId, inFlight, parallelLimit: 1 };
}

const poolOf = (weights: readonly number[]) => groupAccounts(weights.map((weight, n) => candidate(weight, n)));

function options(given: Partial<PickOptions<AccountCandidate>> = {}): PickOptions<AccountCandidate> {
  return { now: NOW, requireUsage: false, failOpen: true, tried: new Set(), limitWaitMs: () => 0, ...given };
}

function serve(strategy: ReturnType<typeof weighted>, pool: AccountPool<AccountCandidate>, given = options()) {
  const choice = strategy.pick(pool, null, given) as Chosen<AccountCandidate>;
  expect(strategy.pick(pool, null, given)).toEqual(choice);
  strategy.taken(choice, pool, null);
  return choice;
}

function accountsServed(
  strategy: ReturnType<typeof weighted>,
  pool: AccountPool<AccountCandidate>,
  count: number,
  given = options(),
) {
  return Array.from({ length: count }, () => serve(strategy, pool, given).candidate.accountId.replace('account-', '')).join('');
}

const weights = fc.oneof(
  fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 2, maxLength: 10 }),
  // Light beside heavy ones are the hardest to be fair to.
  fc.array(fc.constantFrom(1, 3, 4, 9, 999, 1000), { minLength: 2, maxLength: 10 }),
);

describe('the strategy weighted', () => {
  it('gives each account its share to within one turn, over whatever number of requests', () => {
    fc.assert(
      fc.property(weights, (all) => {
        const pool = poolOf(all);
        const strategy = weighted();
        const total = all.reduce((sum, weight) => sum + weight, 0);
        const counts = all.map(() => 0);
        for (let served = 1; served <= 1000; served++) {
          const choice = strategy.pick(pool, null, options()) as Chosen<AccountCandidate>;
          strategy.taken(choice, pool, null);
          counts[choice.index] = (counts[choice.index] as number) + 1;
          for (const [n, count] of counts.entries()) {
            const share = (served * (all[n] as number)) / total;
            if (Math.abs(count - share) >= 1) expect.fail(`${count} of ${share} after ${served}`);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('spreads the turns of a heavy account, and takes equal ones in order', () => {
    expect(accountsServed(weighted(), poolOf([1, 2, 5]), 16)).toBe('2212021222120212');
    expect(accountsServed(weighted(), poolOf([7, 7, 7, 7]), 12)).toBe('012301230123');
    expect(accountsServed(weighted(), poolOf([300]), 3)).toBe('000');
  });

  it('weighs an account by the largest of its keys, and uses another of them when one is out', () => {
    const blocked = { errors401: 1 };
    const pool = groupAccounts([
      candidate(300, 0, { account: 'account-0', state: blocked }),
      candidate(100, 1, { account: 'account-0' }),
      candidate(100, 2),
    ]);
    expect(accountsServed(weighted(), pool, 8)).toBe('00200020');
    expect(serve(weighted(), pool)).toMatchObject({ index: 1, why: 'weighted', binds: false, skipped: [] });
  });

  it('passes over accounts that are busy, on cooldown or were tried, and names why', () => {
    const onCooldown = { cooldown: { until: NOW + 60_000, reason: 'quota' as const } };
    const candidates = [
      candidate(1000, 0, { inFlight: 1 }),
      candidate(500, 1, { state: onCooldown }),
      candidate(1, 2),
      candidate(2, 3),
    ];
    const pool = groupAccounts(candidates);
    const tried = new Set([candidates[3] as AccountCandidate]);
    expect(serve(weighted(), pool, options({ tried }))).toMatchObject({
      index: 2,
      skipped: [
        { label: 'key-0', reason: 'busy' },
        { label: 'key-1', reason: 'quota', until: NOW + 60_000 },
        { label: 'key-3', reason: 'tried' },
      ],
    });
    expect(weighted().pick(groupAccounts(candidates.slice(0, 2)), null, options())).toMatchObject({
      candidate: null,
      returnsAt: NOW + 60_000,
    });
  });

  it('lets an account on cooldown try when nobody else can', () => {
    const pool = groupAccounts([candidate(1, 0, { state: { cooldown: { until: NOW + 5000, reason: 'upstream' } } })]);
    expect(serve(weighted(), pool)).toMatchObject({ why: 'reserve' });
  });

  it('starves nobody, whoever comes and goes', () => {
    const steps = fc.array(fc.array(fc.nat(9), { maxLength: 9 }), { minLength: 20, maxLength: 300 });
    fc.assert(
      fc.property(weights, steps, (all, away) => {
        const pool = poolOf(all);
        const strategy = weighted();
        /** What each has earned since it was served last, in turns. */
        const owed = all.map(() => 0);
        for (const out of away) {
          const tried = new Set(out.slice(0, all.length - 1).map((n) => pool.candidates[n % all.length] as AccountCandidate));
          const ready = all.flatMap((weight, n) => (tried.has(pool.candidates[n] as AccountCandidate) ? [] : [{ n, weight }]));
          if (ready.length === 0) continue;
          const choice = serve(strategy, pool, options({ tried }));
          expect(ready.map(({ n }) => n)).toContain(choice.index);
          const total = ready.reduce((sum, { weight }) => sum + weight, 0);
          for (const { n, weight } of ready) owed[n] = n === choice.index ? 0 : (owed[n] as number) + weight / total;
          expect(Math.max(...owed)).toBeLessThan(4);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('does not let an account that was away make up for it', () => {
    const strategy = weighted();
    const pool = poolOf([100, 100]);
    const tried = new Set([pool.candidates[0] as AccountCandidate]);
    expect(accountsServed(strategy, pool, 50, options({ tried }))).toBe('1'.repeat(50));
    expect(accountsServed(strategy, pool, 6)).toMatch(/^(?:01|10){3}$/);
  });

  it('keeps what accounts have earned when keys come, go or learn whose they are', () => {
    const together = weighted();
    const three = [1, 2, 5];
    const apart = [weighted(), weighted()] as const;
    const known = poolOf(three);
    const unknown = groupAccounts(three.map((weight, n) => candidate(weight, n, { account: `key:key-${n}` })));
    const expected = accountsServed(together, known, 80);
    // The accounts are learned in the middle of a round; a registry read again changes nothing.
    const first = Array.from({ length: 3 }, () => serve(apart[0], unknown).index).join('');
    expect(first + accountsServed(apart[0], known, 77)).toBe(expected);
    const again = Array.from({ length: 80 }, () => accountsServed(apart[1], poolOf(three), 1)).join('');
    expect(again).toBe(expected);
  });

  it('counts no turn for a request that had to go where its file is', () => {
    const strategy = weighted();
    const pool = poolOf([1, 1]);
    for (let n = 0; n < 5; n++) {
      const [held] = pool.candidates as [AccountCandidate];
      strategy.pick(pool, null, options());
      strategy.taken({ candidate: held, index: 0, why: 'file', skipped: [], binds: true }, pool, null);
    }
    expect(accountsServed(strategy, pool, 4)).toBe('0101');
  });
});
