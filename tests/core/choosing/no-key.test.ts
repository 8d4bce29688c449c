import { describe, expect, it } from 'vitest';
import { type KeyOut, noKeyWords, whyOut } from '../../../src/core/choosing/no-key.ts';
import { aCandidate, type CandidateOptions, NOW } from '../candidates.ts';

const HOUR = 3_600_000;
const usedUp = (until: number, end?: 'guessed'): CandidateOptions => ({
  state: { cooldown: { until, reason: 'quota', ...(end === undefined ? {} : { end }) } },
});
const blocked = (reason: string, until: number | null = null): CandidateOptions => ({ state: { block: { until, reason } } });

function say(keys: readonly CandidateOptions[], zone = 'UTC'): string {
  const out = keys.map((options, n) => whyOut(aCandidate(`k${n}`, options), NOW));
  const { text, fix } = noKeyWords(out as KeyOut[], { now: NOW, zone });
  return `${text} ${fix}`;
}

describe('the words for a pool that cannot serve', () => {
  it.each<[string, readonly CandidateOptions[], string]>([
    [
      'all used up, back another day',
      [usedUp(NOW + 99 * HOUR), usedUp(NOW + 26 * HOUR), usedUp(NOW + 30 * HOUR), { share: 0, ...usedUp(NOW + 90 * HOUR) }],
      'All 4 Kimi keys have used up their quota. The first is back at 14:00 on 21 Nov (in 1 d 2 h). `kmi status` shows them.',
    ],
    [
      'two, back today',
      [usedUp(NOW + 2 * HOUR), usedUp(NOW + 3 * HOUR)],
      'Both Kimi keys have used up their quota. The first is back at 14:00 (in 2 h). `kmi status` shows them.',
    ],
    [
      'one, back in seconds',
      [usedUp(NOW + 20_000)],
      'The only Kimi key has used up its quota. It is back in 20 s. `kmi status` shows it.',
    ],
    [
      'an end that is a guess',
      [usedUp(NOW + 300_000, 'guessed'), usedUp(NOW + 600_000, 'guessed')],
      'Both Kimi keys have used up their quota. The first is tried again at 12:05 (in 5 min). `kmi status` shows them.',
    ],
    [
      'several causes',
      [
        usedUp(NOW + HOUR),
        { state: { errors401: 1 } },
        usedUp(NOW + HOUR),
        { state: { cooldown: { until: NOW + 9_000, reason: 'rate' } } },
      ],
      'None of the 4 Kimi keys can serve: 2 used up, 1 refused, 1 rate-limited. The first is back in 9 s. `kmi status` shows them.',
    ],
    [
      'one of each',
      [blocked('banned'), { disabled: true }],
      'The only enabled Kimi key belongs to a closed account. `kmi doctor` says what to do.',
    ],
    [
      'all refused',
      [blocked('auth'), { state: { errors401: 3 } }],
      'Both Kimi keys were refused by Kimi. `kmi doctor` says what to do.',
    ],
    [
      'unpaid accounts, checked again in an hour',
      [blocked('payment_required', NOW + HOUR), blocked('payment_required', NOW + 2 * HOUR)],
      'Both Kimi keys belong to unpaid accounts. The first is tried again at 13:00 (in 1 h). `kmi doctor` says what to do.',
    ],
    [
      'a lone login that is over',
      [{ login: {} }, { disabled: true, login: {} }],
      'The only enabled Kimi key needs a new login. `kmi login --label k0` logs in again.',
    ],
    [
      'a login of Kimi Code that is over',
      [{ login: { kind: 'kimi-code' } }],
      'The only Kimi key needs a new login. Log in again in Kimi Code: `kimi login`.',
    ],
    [
      "kimi-cli's login, past its time",
      [{ login: { kind: 'kimi-cli', isOver: false, expiresAt: NOW } }],
      'The only Kimi key needs a new login. kmi cannot renew a login of kimi-cli: `kmi login --label k0` makes one of its own.',
    ],
    [
      'several logins that are over',
      [{ login: {} }, { login: { kind: 'kimi-code' } }],
      'Both Kimi keys need a new login. `kmi status` says for each how to log in again.',
    ],
    [
      'a login that is over beside a refused key',
      [{ login: {} }, { state: { errors401: 1 } }],
      'Neither Kimi key can serve: 1 logged out, 1 refused. `kmi doctor` says what to do.',
    ],
    ['all disabled', [{ disabled: true }, { disabled: true }], 'Both Kimi keys are disabled. Enable one with `kmi keys enable`.'],
    ['a lone disabled one', [{ disabled: true }], 'The only Kimi key is disabled. Enable one with `kmi keys enable`.'],
    [
      'used up beside disabled ones',
      [usedUp(NOW + HOUR), usedUp(NOW + HOUR), usedUp(NOW + HOUR), { disabled: true }],
      'All 3 enabled Kimi keys have used up their quota. The first is back at 13:00 (in 1 h). `kmi status` shows them.',
    ],
    [
      'blocked in words of another version',
      [blocked('odd'), blocked('banned')],
      'Neither Kimi key can serve: 1 blocked, 1 closed by Kimi. `kmi doctor` says what to do.',
    ],
  ])('%s', (_, keys, expected) => {
    expect(say(keys)).toBe(expected);
  });

  it('tells the time in the zone of the settings', () => {
    const keys = [usedUp(NOW + 10 * HOUR), usedUp(NOW + 11 * HOUR)];
    expect(say(keys)).toContain('back at 22:00 (in 10 h)');
    expect(say(keys, '+03:00')).toContain('back at 01:00 on 21 Nov (in 10 h)');
    expect(say([usedUp(NOW + 300 * 24 * HOUR)])).toContain('back on 16 Sep 2027 (in 300 d)');
  });

  it('counts an empty reading as used up, and takes its reset from the reading', () => {
    const health = {
      usage: {
        windows: [{ kind: '5h', remainingShare: 0, resetsAt: NOW + HOUR, durationMs: 5 * HOUR }],
        remainingShare: 0,
        walletCents: null,
        parallelLimit: null,
        plan: null,
      },
      error: null,
      fetchedAt: NOW,
    };
    const candidate = { ...aCandidate('a'), health } as unknown as ReturnType<typeof aCandidate>;
    const { text } = noKeyWords([whyOut(candidate, NOW) as KeyOut], { now: NOW, zone: 'UTC' });
    expect(text).toBe('The only Kimi key has used up its quota. It is back at 13:00 (in 1 h).');
  });

  it('is not asked of a key that can serve', () => {
    expect(whyOut(aCandidate('a'), NOW)).toBeNull();
  });
});
