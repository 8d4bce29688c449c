import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Choice } from '../../../src/core/choosing/choice.ts';
import type { Candidate } from '../../../src/core/choosing/eligibility.ts';
import { pickActive, pickLone } from '../../../src/core/choosing/rotation.ts';
import { pickRoundRobin } from '../../../src/core/choosing/strategies/round-robin.ts';
import type { PickOptions } from '../../../src/core/choosing/why-not.ts';
import type { CooldownReason } from '../../../src/core/keys/key-state.ts';
import { aCandidate, type CandidateOptions, NOW } from '../candidates.ts';

function options(changes: Partial<PickOptions<Candidate>> = {}): PickOptions<Candidate> {
  return {
    now: NOW,
    requireUsage: false,
    failOpen: true,
    tried: new Set(),
    limitWaitMs: () => 0,
    ...changes,
  };
}

function summary(choice: Choice<Candidate>) {
  const skipped = choice.skipped.map(({ label, reason }) => `${label}:${reason}`).join(' ');
  return choice.candidate === null ? `none (${skipped})` : `${choice.candidate.key.label} ${choice.why} (${skipped})`;
}

const HOUR = 3_600_000;
const quota = (until = NOW + HOUR) => ({ state: { cooldown: { until, reason: 'quota' as const } } });
const onCooldown = (until = NOW + HOUR) => ({ state: { cooldown: { until, reason: 'upstream' as const } } });
const keys = (...all: CandidateOptions[]) => all.map((one, n) => aCandidate('abcdefgh'[n] as string, one));

describe('round robin', () => {
  it('goes a, b, c, a from wherever the position stands, also outside the list', () => {
    const three = keys({}, {}, {});
    expect([0, 1, 2, 3, 4, -1, 3_000_000_001].map((from) => summary(pickRoundRobin(three, from, options())))).toEqual([
      'a round_robin ()',
      'b round_robin ()',
      'c round_robin ()',
      'a round_robin ()',
      'b round_robin ()',
      'c round_robin ()',
      'b round_robin ()',
    ]);
  });

  it('says of each key it passed over why', () => {
    const all = keys(
      { disabled: true },
      { state: { errors401: 1 } },
      { state: { block: { until: null, reason: 'payment_required' } } },
      { state: { block: { until: NOW + 1, reason: 'words of an older version' } } },
      quota(),
      { share: 0.1 },
    );
    expect(summary(pickRoundRobin(all, 0, options()))).toBe(
      'f round_robin (a:disabled b:auth c:payment_required d:blocked e:quota)',
    );
  });

  it('passes over keys whose account is busy, at every stage', () => {
    const isBusy = ({ key }: Candidate) => key.label !== 'c';
    expect(summary(pickRoundRobin(keys({}, {}, {}), 0, options({ isBusy })))).toBe('c round_robin (a:busy b:busy)');
    expect(summary(pickRoundRobin(keys({}, {}, { share: 0.1 }), 0, options({ isBusy })))).toBe('c round_robin (a:busy b:busy)');
    expect(summary(pickRoundRobin(keys({}, {}, onCooldown()), 0, options({ isBusy })))).toBe('c reserve (a:busy b:busy)');
    expect(summary(pickActive(keys({}, {}), 0, options({ isBusy })))).toBe('none (a:busy b:busy)');
  });

  it('gives a key its turn whatever its quota reading and its past errors, once nothing keeps it from serving', () => {
    const past = { errors403: 9, errors429: 9, errors5xx: 9, requests: 9, failedAt: NOW };
    for (const turn of [{ share: 0.01 }, { share: null }, { share: 1, state: past }, { share: 0, walletCents: 5 }, {}]) {
      expect(summary(pickRoundRobin(keys(turn, { share: 1 }), 0, options()))).toBe('a round_robin ()');
    }
  });

  it('takes a key whose health nobody has asked for yet', () => {
    expect(summary(pickRoundRobin(keys({}, { share: 0.9 }), 0, options()))).toBe('a round_robin ()');
  });

  it('lets nobody through without a reading when one is required, but for a cold cache that is to fail open', () => {
    expect(summary(pickRoundRobin(keys({}, { share: 0.9 }), 0, options({ requireUsage: true })))).toBe(
      'b round_robin (a:no_usage)',
    );
    expect(summary(pickRoundRobin(keys({}, {}), 0, options({ requireUsage: true })))).toBe('a fail_open ()');
    expect(summary(pickRoundRobin(keys({}, {}), 0, options({ requireUsage: true, failOpen: false })))).toBe(
      'none (a:no_usage b:no_usage)',
    );
  });

  it('gives a reserve a try when nobody is ready, so that an outage never ends in no key', () => {
    expect(summary(pickRoundRobin(keys(quota(), onCooldown(), onCooldown()), 0, options()))).toBe('b reserve (a:quota)');
    expect(summary(pickRoundRobin(keys(onCooldown()), 0, options({ failOpen: false })))).toBe('a reserve ()');
  });

  it('tries a key that reads empty only when it is to fail open', () => {
    expect(summary(pickRoundRobin(keys({ share: 0 }), 0, options()))).toBe('a reserve ()');
    expect(summary(pickRoundRobin(keys({ share: 0 }), 0, options({ failOpen: false })))).toBe('none (a:empty)');
  });

  it('names the earliest return when nobody can serve', () => {
    const choice = pickRoundRobin(keys(quota(NOW + 9000), quota(NOW + 4000), { state: { errors401: 1 } }, {}), 0, {
      ...options(),
      limitWaitMs: () => 7000,
    });
    expect(choice).toMatchObject({ candidate: null, returnsAt: NOW + 4000 });
    expect(summary(choice)).toBe('none (a:quota b:quota c:auth d:key_rate_limit)');
    expect(pickRoundRobin(keys({ state: { errors401: 1 } }), 0, options())).toMatchObject({ returnsAt: null });
  });

  it('is none for no keys', () => {
    expect(pickRoundRobin([], 5, options())).toEqual({ candidate: null, skipped: [], returnsAt: null });
  });

  it('takes a key back at the very instant its cooldown ends', () => {
    expect(summary(pickRoundRobin(keys(quota(NOW + 1)), 0, options()))).toBe('none (a:quota)');
    expect(summary(pickRoundRobin(keys(quota(NOW)), 0, options()))).toBe('a round_robin ()');
  });
});

describe('with an active key', () => {
  it('stays with it whatever its quota is, while it can serve', () => {
    expect(summary(pickActive(keys({ share: 0.9 }, { share: 0.01 }), 1, options()))).toBe('b active ()');
  });

  it('goes on to the next that can serve, round the end', () => {
    expect(summary(pickActive(keys({}, quota(), quota()), 1, options()))).toBe('a next_after_active (b:quota c:quota)');
  });
});

describe('a pool of one', () => {
  const lone = (all: readonly Candidate[], changes: Partial<PickOptions<Candidate>> = {}) =>
    pickLone(
      all,
      all.filter(({ key }) => !key.disabled),
      options(changes),
    )?.candidate?.key.label ?? null;

  it('is asked whatever is known of it, disabled neighbours aside', () => {
    expect(lone(keys({ disabled: true }, { state: { errors401: 3 } }))).toBe('b');
    expect(lone(keys(quota()))).toBe('a');
  });

  it('is not asked twice, not above its rate limit, and not when there are two or none', () => {
    const [only] = keys(quota());
    expect(lone([only as Candidate], { tried: new Set([only as Candidate]) })).toBeNull();
    expect(lone([only as Candidate], { limitWaitMs: () => 1 })).toBeNull();
    expect(lone(keys(quota(), quota()))).toBeNull();
    expect(lone(keys({ disabled: true }))).toBeNull();
  });
});

const moments = fc.constantFrom(NOW - 1, NOW, NOW + 1, NOW + HOUR);
const errors = fc.constantFrom(0, 0, 0, 1, 7);
const candidateOptions = fc
  .record({
    state: fc.record({
      requests: fc.nat(1000),
      errors401: fc.constantFrom(0, 0, 0, 0, 1),
      errors403: errors,
      errors429: errors,
      errors5xx: errors,
      cooldown: fc.option(fc.record({ until: moments, reason: fc.constantFrom<CooldownReason>('quota', 'rate', 'upstream') })),
      block: fc.option(
        fc.record({ until: fc.option(moments), reason: fc.constantFrom('auth', 'payment_required', 'banned', 'other') }),
        { freq: 2 },
      ),
    }),
    disabled: fc.constantFrom(false, false, false, true),
    share: fc.constantFrom(undefined, null, 0, 0.19, 0.2, 1),
    walletCents: fc.constantFrom(null, 0, 100),
    isTried: fc.constantFrom(false, false, false, true),
    waitMs: fc.constantFrom(0, 0, 0, 500),
  })
  .map(({ share, ...rest }): CandidateOptions & Pick<typeof rest, 'state' | 'isTried' | 'waitMs'> =>
    share === undefined ? rest : { ...rest, share },
  );

const scenes = fc.record({
  all: fc.array(candidateOptions, { maxLength: 8 }),
  from: fc.integer({ min: -3, max: 20 }),
  requireUsage: fc.boolean(),
  failOpen: fc.boolean(),
});
type Scene = typeof scenes extends fc.Arbitrary<infer T> ? T : never;

/** Who may be chosen, and why, whatever its quota is and its errors were: not the code under test. */
function oracle({ all, from, ...settings }: Scene, usual: 'round_robin' | 'active') {
  const facts = all.map(({ state, share, walletCents, disabled, isTried, waitMs }) => {
    const isBlocked = state.block !== null && (state.block.until === null || state.block.until > NOW);
    const reason = state.cooldown !== null && state.cooldown.until > NOW ? state.cooldown.reason : null;
    const isOut = disabled || isBlocked || state.errors401 > 0 || reason === 'quota' || reason === 'rate';
    const isEmpty = share === 0 && !((walletCents ?? 0) > 0);
    const hasReading = share !== undefined && share !== null;
    return {
      isOpen: !isTried && waitMs === 0 && !isOut,
      isReady: reason === null && !isEmpty,
      isReserve: reason === 'upstream' || (isEmpty && settings.failOpen),
      hasReading,
    };
  });
  const isCold = !facts.some(({ hasReading }) => hasReading);
  const reads = (fact: { hasReading: boolean }, forgiving: boolean) =>
    fact.hasReading || !settings.requireUsage || (forgiving && settings.failOpen && isCold);
  const order = facts.map((_, step) => (((from + step) % facts.length) + facts.length) % facts.length);
  const first = (fits: (fact: (typeof facts)[number]) => boolean) => order.find((n) => fits(facts[n] as (typeof facts)[number]));

  const strict = first((one) => one.isOpen && one.isReady && reads(one, false));
  if (strict !== undefined)
    return { index: strict, why: usual === 'round_robin' ? usual : strict === order[0] ? 'active' : 'next_after_active', order };
  const open = settings.failOpen ? first((one) => one.isOpen && one.isReady && reads(one, true)) : undefined;
  if (open !== undefined) return { index: open, why: 'fail_open', order };
  const reserve = first((one) => one.isOpen && (one.isReserve || one.isReady) && reads(one, true));
  return reserve === undefined ? null : { index: reserve, why: 'reserve', order };
}

describe.each([
  ['round robin', pickRoundRobin, 'round_robin'],
  ['with an active key', pickActive, 'active'],
] as const)('over any keys, states and readings, %s', (_, choose, usual) => {
  it('chooses the first that may be chosen, never another, says why, and names exactly those passed over', () => {
    fc.assert(
      fc.property(scenes, (scene) => {
        const all = scene.all.map((one, n) => aCandidate(`k${n}`, one));
        const { from, ...settings } = scene;
        const choice = choose(all, from, {
          ...options(settings),
          tried: new Set(all.filter((_, n) => scene.all[n]?.isTried)),
          limitWaitMs: (candidate) => scene.all[all.indexOf(candidate)]?.waitMs ?? 0,
        });
        const expected = oracle(scene, usual);
        const labels = choice.skipped.map(({ label }) => label);
        if (expected === null) {
          expect(choice.candidate).toBeNull();
          expect([...labels].sort()).toEqual(all.map(({ key }) => key.label).sort());
          return;
        }
        expect(choice).toMatchObject({ index: expected.index, why: expected.why });
        expect(choice.candidate).toBe(all[expected.index]);
        const passed = expected.order.slice(0, expected.order.indexOf(expected.index));
        expect(labels).toEqual(passed.map((n) => `k${n}`));
        for (const { reason } of choice.skipped) expect(reason).toMatch(/^[a-z_]+$/);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('fairness', () => {
  it('is within one request over equal keys, from any position and for any number of requests', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.nat(50), fc.nat(200), (size, from, requests) => {
        const all = Array.from({ length: size }, (_, n) => aCandidate(`k${n}`, { share: 1 }));
        const counts = new Map(all.map(({ key }) => [key.label, 0]));
        let position = from;
        for (let n = 0; n < requests; n++) {
          const choice = pickRoundRobin(all, position, options());
          if (choice.candidate === null) throw new Error('no key');
          counts.set(choice.candidate.key.label, (counts.get(choice.candidate.key.label) ?? 0) + 1);
          position = (choice.index + 1) % size;
        }
        expect(Math.max(...counts.values()) - Math.min(...counts.values())).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('the work of a choice', () => {
  it.each([
    ['round robin', pickRoundRobin],
    ['with an active key', pickActive],
  ] as const)('%s looks at one of 10,000 keys when that one can serve', (_, choose) => {
    const all = Array.from({ length: 10_000 }, (_, n) => aCandidate(`k${n}`, { share: 1 }));
    const looked = new Set<string>();
    const watched = new Proxy(all, {
      get(target, name, receiver) {
        if (typeof name === 'symbol' || name !== 'length') looked.add(String(name));
        return Reflect.get(target, name, receiver);
      },
    });
    let asked = 0;
    const limitWaitMs = () => {
      asked += 1;
      return 0;
    };
    const choice = choose(watched, 9_876, options({ limitWaitMs, requireUsage: true }));
    expect(choice.candidate?.key.label).toBe('k9876');
    expect([[...looked], asked]).toEqual([['9876'], 1]);
  });
});
