import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Account, type AccountCandidate, groupAccounts } from '../../../src/core/choosing/account-pool.ts';
import type { Choice } from '../../../src/core/choosing/choice.ts';
import { isReady } from '../../../src/core/choosing/eligibility.ts';
import { pickFileHolder } from '../../../src/core/choosing/strategies/file-holder.ts';
import { pickQuota } from '../../../src/core/choosing/strategies/quota.ts';
import { pickSticky } from '../../../src/core/choosing/strategies/sticky.ts';
import { startStrategies } from '../../../src/core/choosing/strategies.ts';
import type { PickOptions } from '../../../src/core/choosing/why-not.ts';
import { type KeyState, newKeyState } from '../../../src/core/keys/key-state.ts';
import type { KeyHealth } from '../../../src/core/quota/key-health.ts';
import { Sessions } from '../../../src/core/sessions/session-table.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = 1_790_000_000_000;

type Given = {
  readonly accountId?: string;
  readonly state?: Partial<KeyState>;
  /** Share left and ms until the reset; null: not begun. */
  readonly fiveHour?: readonly [number, number | null];
  readonly weekly?: readonly [number, number | null];
  readonly monthly?: readonly [number, number | null];
  readonly walletCents?: number;
  readonly inFlight?: number;
  readonly parallelLimit?: number;
  readonly disabled?: boolean;
};

function candidate(name: string, given: Given = {}): AccountCandidate {
  return {
    key: {
      label: name,
      value: name,
      hash: name,
      baseUrl: 'https://x',
      priority: 0,
      weight: 100,
      disabled: given.disabled ?? false,
      email: null,
      source: '',
    },
    state: { ...newKeyState(), ...given.state },
    health: healthOf(given),
    accountId: given.accountId ?? name,
    inFlight: given.inFlight ?? 0,
    parallelLimit: given.parallelLimit ?? null,
  };
}

function healthOf({ fiveHour, weekly, monthly, walletCents = 0 }: Given): KeyHealth | null {
  const stated = [
    [fiveHour, 5 * HOUR, '5h'],
    [weekly, 7 * DAY, '7d'],
    [monthly, 30 * DAY, 'month'],
  ] as const;
  const windows = stated.flatMap(([window, durationMs, label]) =>
    window === undefined
      ? []
      : [
          {
            label,
            remainingShare: window[0],
            used: null,
            limit: null,
            resetsAt: window[1] === null ? null : NOW + window[1],
            resetHint: null,
            durationMs: label === 'month' ? null : durationMs,
          },
        ],
  );
  if (windows.length === 0) return null;
  const remainingShare = Math.min(...windows.map((window) => window.remainingShare));
  return { usage: { windows, remainingShare, walletCents, parallelLimit: null, plan: null }, error: null, fetchedAt: NOW };
}

function options(given: Partial<PickOptions<AccountCandidate>> = {}): PickOptions<AccountCandidate> {
  return { now: NOW, requireUsage: false, failOpen: true, tried: new Set(), limitWaitMs: () => 0, ...given };
}

const PICKS = { sticky: pickSticky, quota: pickQuota } as const;

function pick(
  strategy: keyof typeof PICKS,
  candidates: readonly AccountCandidate[],
  {
    session = 1,
    sessions = new Sessions(),
    position = 0,
    ...rest
  }: {
    session?: number | null;
    sessions?: Sessions;
    position?: number;
  } & Partial<PickOptions<AccountCandidate>> = {},
): Choice<AccountCandidate> {
  return PICKS[strategy](groupAccounts(candidates), { session, position }, sessions, options(rest));
}

function nameOf(choice: Choice<AccountCandidate>): string | null {
  return choice.candidate?.key.label ?? null;
}

function withHome(accountId: string, session = 1): Sessions {
  const sessions = new Sessions();
  sessions.set(session, accountId, NOW);
  return sessions;
}

const ON_COOLDOWN = { cooldown: { until: NOW + 60_000, reason: 'quota' } } as const;

describe.each(['sticky', 'quota'] as const)('the strategy %s', (strategy) => {
  it('keeps a session with its account, moves it when that fails, and leaves it there when the account is back', () => {
    const sessions = withHome('a');
    expect(pick(strategy, [candidate('a'), candidate('b')], { sessions })).toMatchObject({ why: 'session' });
    const moved = pick(strategy, [candidate('a', { state: ON_COOLDOWN }), candidate('b')], { sessions });
    expect(moved).toMatchObject({ why: 'moved', binds: true, skipped: [{ label: 'a', reason: 'quota' }] });
    expect(nameOf(moved)).toBe('b');
    sessions.set(1, 'b', NOW);
    expect(nameOf(pick(strategy, [candidate('a'), candidate('b')], { sessions }))).toBe('b');
  });

  it('respects the end of a cooldown to the millisecond', () => {
    const onCooldown = [candidate('a', { state: ON_COOLDOWN })];
    expect(pick(strategy, onCooldown, { now: NOW + 59_999 })).toMatchObject({ candidate: null, returnsAt: NOW + 60_000 });
    expect(nameOf(pick(strategy, onCooldown, { now: NOW + 60_000 }))).toBe('a');
  });

  it('lends a session out while its account is only busy', () => {
    const candidates = [candidate('a', { inFlight: 20, parallelLimit: 20 }), candidate('b')];
    expect(pick(strategy, candidates, { sessions: withHome('a') })).toMatchObject({
      why: 'helped_out',
      binds: false,
      skipped: [{ reason: 'busy' }],
    });
    expect(pick(strategy, candidates.slice(0, 1))).toMatchObject({ candidate: null, skipped: [{ reason: 'busy' }] });
  });

  it('uses another key of the account before another account', () => {
    const candidates = [
      candidate('a1', { accountId: 'a', state: { errors401: 1 } }),
      candidate('b'),
      candidate('a2', { accountId: 'a' }),
    ];
    expect(pick(strategy, candidates, { sessions: withHome('a') })).toMatchObject({ why: 'session', index: 2 });
  });

  it('deals requests without a session in turn', () => {
    const pool = groupAccounts(['a', 'b', 'c'].map((name) => candidate(name)));
    const atWork = startStrategies({ rotationIndex: 0, dealPosition: 0, sessions: new Sessions() })[strategy];
    const names = Array.from({ length: 6 }, () => {
      const choice = atWork.pick(pool, null, options());
      expect(choice).toMatchObject({ why: 'dealt', binds: false });
      if (choice.candidate !== null) atWork.taken(choice, pool, null);
      return nameOf(choice);
    });
    expect(names).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
  });

  it('places new sessions on plan quota before a wallet', () => {
    const candidates = [candidate('w', { weekly: [0, DAY], walletCents: 500 }), candidate('f', { weekly: [0.02, DAY] })];
    for (let session = 1; session <= 30; session++) expect(nameOf(pick(strategy, candidates, { session }))).toBe('f');
    expect(nameOf(pick(strategy, candidates.slice(0, 1)))).toBe('w');
  });

  it('takes an account whose empty window has been renewed since the reading', () => {
    const renewed = [candidate('a', { fiveHour: [0, -1000], weekly: [0.5, DAY] })];
    expect(pick(strategy, renewed, { failOpen: false })).toMatchObject({ why: 'placed' });
  });

  const given = fc.record({
    state: fc.constantFrom<Partial<KeyState>>(
      {},
      {},
      {},
      ON_COOLDOWN,
      { errors401: 1 },
      { cooldown: { until: NOW + 5000, reason: 'upstream' } },
    ),
    fiveHour: fc.tuple(fc.constantFrom(0, 0.1, 0.6, 1), fc.integer({ min: 1, max: 5 * HOUR })),
    weekly: fc.tuple(fc.constantFrom(0, 0.1, 0.6, 1), fc.integer({ min: 1, max: 7 * DAY })),
    disabled: fc.boolean(),
  });
  const pools = fc
    .array(given, { minLength: 1, maxLength: 8 })
    .map((list) => list.map((one, n) => candidate(`account-${n}`, one)));

  it('never moves a session while its account is eligible, and never chooses one that is out', () => {
    fc.assert(
      fc.property(pools, fc.nat(7), fc.integer({ min: 1 }), (candidates, home, session) => {
        const choice = pick(strategy, candidates, { session, sessions: withHome(`account-${home}`, session) });
        const at = candidates[home];
        if (at !== undefined && isReady(at, NOW)) expect(choice).toMatchObject({ index: home, why: 'session' });
        if (choice.candidate === null) expect(candidates.some((one) => isReady(one, NOW))).toBe(false);
        else if (candidates.some((one) => isReady(one, NOW))) expect(isReady(choice.candidate, NOW)).toBe(true);
        else expect(choice.why).toBe('reserve');
      }),
    );
  });

  it('agrees between two proxies that know the same', () => {
    fc.assert(
      fc.property(pools, fc.integer({ min: 1 }), (candidates, session) => {
        const [one, two] = [pick(strategy, candidates, { session }), pick(strategy, candidates, { session })];
        expect(two).toEqual(one);
      }),
    );
  });

  it('starves no account', () => {
    const candidates = Array.from({ length: 8 }, (_, n) =>
      candidate(`account-${n}`, { fiveHour: [1, HOUR], weekly: [0.9, (n + 0.5) * 0.8 * DAY] }),
    );
    const sessions = new Sessions();
    const seen = new Set<string | null>();
    for (let session = 1; session <= 200; session++) {
      const name = nameOf(pick(strategy, candidates, { session: session * 7919, sessions }));
      seen.add(name);
      sessions.set(session * 7919, name as string, NOW);
    }
    expect(seen.size).toBe(8);
  });
});

it('a request that names a file goes to the account that holds it, and to no other', () => {
  const holder = (candidates: readonly AccountCandidate[]) => {
    const pool = groupAccounts(candidates);
    return pickFileHolder(pool, pool.byId.get('b') as Account, options());
  };
  expect(nameOf(holder([candidate('a'), candidate('b')]))).toBe('b');
  const onCooldown = [candidate('a'), candidate('b', { state: ON_COOLDOWN })];
  expect(holder(onCooldown)).toMatchObject({ candidate: null, returnsAt: NOW + 60_000 });
});

describe('where quota places a session', () => {
  it.each<readonly [string, Given, Given]>([
    ['the earlier weekly reset', { fiveHour: [1, HOUR], weekly: [0.8, DAY] }, { fiveHour: [1, HOUR], weekly: [0.8, 5 * DAY] }],
    ['the fuller of two equal weeks', { fiveHour: [1, HOUR], weekly: [0.9, DAY] }, { fiveHour: [1, HOUR], weekly: [0.3, DAY] }],
    [
      'not an account whose 5 hours end soon but whose week is nearly spent',
      { fiveHour: [0.9, 4 * HOUR], weekly: [0.7, 3 * DAY] },
      { fiveHour: [0.9, 600_000], weekly: [0.02, 3 * DAY] },
    ],
    [
      'not an account whose week ends soon but whose 5 hours are spent',
      { fiveHour: [0.9, HOUR], weekly: [0.9, 5 * DAY] },
      { fiveHour: [0.005, 4 * HOUR], weekly: [0.9, DAY] },
    ],
    [
      'not an account whose month is nearly spent',
      { fiveHour: [0.9, HOUR], weekly: [0.9, 5 * DAY], monthly: [0.5, 20 * DAY] },
      { fiveHour: [0.9, HOUR], weekly: [0.9, DAY], monthly: [0.001, 20 * DAY] },
    ],
    [
      'an account whose week has not begun',
      { fiveHour: [1, null], weekly: [1, 7 * DAY] },
      { fiveHour: [1, HOUR], weekly: [0.9, DAY] },
    ],
  ])('prefers %s', (_, better, worse) => {
    for (let session = 1; session <= 20; session++) {
      expect(nameOf(pick('quota', [candidate('worse', worse), candidate('better', better)], { session }))).toBe('better');
    }
  });

  it('leaves a wallet for plan quota', () => {
    const candidates = [candidate('w', { weekly: [0, DAY], walletCents: 500 }), candidate('f', { weekly: [0.5, DAY] })];
    expect(pick('quota', candidates, { sessions: withHome('w') })).toMatchObject({
      why: 'moved',
      skipped: [{ reason: 'wallet' }],
    });
    expect(pick('sticky', candidates, { sessions: withHome('w') })).toMatchObject({ why: 'session' });
  });

  it('spreads sessions that begin within one reading', () => {
    const candidates = ['a', 'b', 'c', 'd'].map((name) => candidate(name, { fiveHour: [0.9, HOUR], weekly: [0.8, 3 * DAY] }));
    const sessions = new Sessions();
    for (let session = 1; session <= 40; session++)
      sessions.set(session, nameOf(pick('quota', candidates, { session, sessions })) as string, NOW);
    expect(['a', 'b', 'c', 'd'].map((name) => sessions.activeOn(name, NOW))).toEqual([10, 10, 10, 10]);
  });
});
