import { describe, expect, it } from 'vitest';
import { type AccountCandidate, groupAccounts } from '../../../src/core/choosing/account-pool.ts';
import { type Candidate, eligibilityOf, isReady, keyStatusOf } from '../../../src/core/choosing/eligibility.ts';
import { pickActive, pickInOrder } from '../../../src/core/choosing/rotation.ts';
import { pickSticky } from '../../../src/core/choosing/strategies/sticky.ts';
import { Sessions } from '../../../src/core/sessions/session-table.ts';
import { aCandidate, aUsage, type CandidateOptions, NOW } from '../candidates.ts';

const LATER = NOW + 60_000;

describe('the eligibility of a key', () => {
  it.each<[string, CandidateOptions, unknown]>([
    ['fresh', {}, { is: 'ready' }],
    ['warned but able', { share: 0.01, state: { errors403: 9, errors5xx: 9 } }, { is: 'ready' }],
    ['disabled', { disabled: true }, { is: 'out', reason: 'disabled', until: null }],
    ['disabled and blocked', { disabled: true, state: { errors401: 1 } }, { is: 'out', reason: 'disabled', until: null }],
    ['with a 401 on record', { state: { errors401: 1 } }, { is: 'out', reason: 'auth', until: null }],
    [
      'blocked for payment',
      { state: { block: { until: LATER, reason: 'payment_required' } } },
      { is: 'out', reason: 'payment_required', until: LATER },
    ],
    ['banned', { state: { block: { until: null, reason: 'banned' } } }, { is: 'out', reason: 'banned', until: null }],
    [
      'blocked in words of another version',
      { state: { block: { until: null, reason: '<b>toString</b>' } } },
      { is: 'out', reason: 'blocked', until: null },
    ],
    ['with a block that is over', { state: { block: { until: NOW, reason: 'banned' } } }, { is: 'ready' }],
    [
      'blocked and on cooldown',
      { state: { block: { until: LATER, reason: 'auth' }, cooldown: { until: LATER + 1, reason: 'quota' } } },
      { is: 'out', reason: 'auth', until: LATER },
    ],
    ['out of quota', { state: { cooldown: { until: LATER, reason: 'quota' } } }, { is: 'out', reason: 'quota', until: LATER }],
    ['rate limited', { state: { cooldown: { until: LATER, reason: 'rate' } } }, { is: 'out', reason: 'rate', until: LATER }],
    [
      'on cooldown after failures',
      { state: { cooldown: { until: LATER, reason: 'upstream' } } },
      { is: 'reserve', reason: 'upstream', until: LATER },
    ],
    ['with a cooldown that is over', { state: { cooldown: { until: NOW, reason: 'quota' } } }, { is: 'ready' }],
    ['reading empty', { share: 0 }, { is: 'reserve', reason: 'empty', until: null }],
    ['reading less than empty', { share: -0.1 }, { is: 'reserve', reason: 'empty', until: null }],
    ['reading empty with a wallet', { share: 0, walletCents: 1 }, { is: 'ready' }],
    ['reading empty with an empty wallet', { share: 0, walletCents: 0 }, { is: 'reserve', reason: 'empty', until: null }],
  ])('%s', (_, options, expected) => {
    const candidate = aCandidate('k', options);
    expect(eligibilityOf(candidate, NOW)).toEqual(expected);
    expect(isReady(candidate, NOW)).toBe((expected as { is: string }).is === 'ready');
  });
});

describe('after a cooldown', () => {
  const over = (end?: 'guessed' | 'doubted', reason: 'rate' | 'upstream' = 'rate') =>
    aCandidate('k', { state: { cooldown: { until: NOW, reason, ...(end === undefined ? {} : { end }) } } });
  const at = (candidate: ReturnType<typeof over>, probedAt: number | null, now: number) =>
    eligibilityOf({ ...candidate, probedAt }, now);

  it('whose end was stated, everybody may use the key at once', () => {
    expect(at(over(), NOW, NOW + 1)).toEqual({ is: 'ready' });
  });

  it.each(['guessed', 'doubted'] as const)('that was %s, one request goes first; the others wait, though not for long', (end) => {
    expect(at(over(end), null, NOW)).toEqual({ is: 'ready' });
    expect(at(over(end), NOW + 10, NOW + 11)).toEqual({ is: 'out', reason: 'probing', until: NOW + 5_010 });
    expect(at(over(end, 'upstream'), NOW + 10, NOW + 11)).toEqual({ is: 'reserve', reason: 'probing', until: NOW + 5_010 });
    expect(at(over(end), NOW + 10, NOW + 5_010)).toEqual({ is: 'ready' });
    expect(at(over(end), NOW + 10, NOW + 9)).toEqual({ is: 'ready' });
    // A try of an earlier cooldown.
    expect(at(over(end), NOW - 10, NOW + 1)).toEqual({ is: 'ready' });
  });
});

describe('an empty reading', () => {
  it('counts no more once a command has seen quota later', () => {
    const seen = (quotaSeenAt: number) => eligibilityOf(aCandidate('k', { share: 0, state: { quotaSeenAt } }), NOW).is;
    expect([seen(NOW - 1), seen(NOW), seen(NOW + 1)]).toEqual(['reserve', 'reserve', 'ready']);
  });
});

describe('a window that was empty at the reading', () => {
  const FIVE_HOURS = 5 * 3_600_000;
  const window = (remainingShare: number, resetsAt: number | null, durationMs: number | null = FIVE_HOURS) => ({
    label: 'w',
    remainingShare,
    used: null,
    limit: null,
    resetsAt,
    resetHint: null,
    durationMs,
  });
  const withWindows = (windows: readonly ReturnType<typeof window>[], fetchedAt = NOW - 1) => {
    const remainingShare = Math.min(...windows.map((one) => one.remainingShare));
    return { ...aCandidate('k'), health: { usage: { ...aUsage(remainingShare), windows }, error: null, fetchedAt } };
  };

  it.each([
    ['renewed since, the week half full', [window(0, NOW), window(0.5, NOW + 60_000)], NOW - 1, true, 'healthy'],
    ['renewed since, the week nearly spent', [window(0, NOW), window(0.1, NOW + 60_000)], NOW - 1, true, 'warn'],
    ['renewed since, and the only one', [window(0, NOW)], NOW - 1, true, 'ready'],
    ['not renewed yet', [window(0, NOW + 1)], NOW - 1, false, 'empty'],
    ['of two one is still empty', [window(0, NOW - 1), window(0, NOW + 1)], NOW - 1, false, 'empty'],
    ['without a reset', [window(0, null)], NOW - 1, false, 'empty'],
    ['a length ago, whatever reset it states', [window(0, NOW + FIVE_HOURS)], NOW - FIVE_HOURS, true, 'ready'],
  ] as const)('%s', (_, windows, fetchedAt, canServe, status) => {
    const candidate = withWindows(windows, fetchedAt);
    expect(isReady(candidate, NOW)).toBe(canServe);
    expect(keyStatusOf(candidate, NOW)).toBe(status);
    // Every way of choosing goes by that.
    const [other] = [aCandidate('other')];
    const options = { now: NOW, requireUsage: false, failOpen: true, tried: new Set<Candidate>(), limitWaitMs: () => 0 };
    const all = [candidate, other];
    const first = canServe ? 'k' : 'other';
    expect(pickInOrder(all, 0, 'round_robin', options).candidate?.key.label).toBe(first);
    expect(pickActive(all, 0, options).candidate?.key.label).toBe(first);
    const accounts = all.map((one) => ({ ...one, accountId: one.key.label, inFlight: 0, parallelLimit: null }));
    const given = { ...options, tried: new Set<AccountCandidate>() };
    const sticky = pickSticky(groupAccounts(accounts), { session: null, position: 0 }, new Sessions(), given);
    expect(sticky.candidate?.key.label).toBe(first);
  });
});

describe('the status of a key', () => {
  it.each<[string, CandidateOptions, string]>([
    ['a good reading', { share: 1 }, 'healthy'],
    ['exactly a fifth left', { share: 0.2 }, 'healthy'],
    ['under a fifth left', { share: 0.1999 }, 'warn'],
    ['no reading', {}, 'ready'],
    ['a reading that failed', { share: null }, 'warn'],
    [
      'errors of the past',
      { share: 1, state: { errors403: 1, errors429: 1, errors5xx: 1, requests: 1, failedAt: NOW } },
      'healthy',
    ],
    ['nothing left', { share: 0 }, 'empty'],
    ['nothing left, but quota seen since', { share: 0, state: { quotaSeenAt: NOW + 1 } }, 'warn'],
    ['nothing left but money', { share: 0, walletCents: 7 }, 'warn'],
    ['a 401', { share: 1, state: { errors401: 1 } }, 'blocked'],
    ['a block', { share: 1, state: { block: { until: null, reason: 'x' } } }, 'blocked'],
    ['a cooldown', { share: 1, state: { cooldown: { until: LATER, reason: 'upstream' } } }, 'cooldown'],
    ['a cooldown and nothing left', { share: 0, state: { cooldown: { until: LATER, reason: 'quota' } } }, 'cooldown'],
    ['a block and a cooldown', { state: { errors401: 1, cooldown: { until: LATER, reason: 'quota' } } }, 'blocked'],
    ['an auth file that disables it', { disabled: true, share: 1, state: { errors401: 1 } }, 'disabled'],
    ['a block that is over', { share: 1, state: { block: { until: NOW, reason: 'x' } } }, 'healthy'],
  ])('%s', (_, options, expected) => {
    expect(keyStatusOf(aCandidate('k', options), NOW)).toBe(expected);
  });

  it('is on cooldown until the request that goes first is answered', () => {
    const candidate = aCandidate('k', { share: 1, state: { cooldown: { until: NOW, reason: 'rate', end: 'guessed' } } });
    expect(keyStatusOf({ ...candidate, probedAt: NOW }, NOW)).toBe('cooldown');
    expect(keyStatusOf(candidate, NOW)).toBe('healthy');
  });
});
