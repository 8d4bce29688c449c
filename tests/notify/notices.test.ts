import { describe, expect, it } from 'vitest';
import type { AccountCandidate } from '../../src/core/choosing/account-pool.ts';
import { desktopCommand } from '../../src/notify/desktop.ts';
import { noticesBetween, OncePerHour } from '../../src/notify/notices.ts';
import { pictureOf } from '../../src/notify/picture.ts';
import { aCandidate, type CandidateOptions, NOW } from '../core/candidates.ts';

const HOUR = 3_600_000;
const FINE: CandidateOptions = {};
const usedUp = (until: number, end?: 'guessed'): CandidateOptions => ({
  state: { cooldown: { until, reason: 'quota', ...(end === undefined ? {} : { end }) } },
});
const refused: CandidateOptions = { state: { errors401: 1 } };
const blocked = (reason: string): CandidateOptions => ({ state: { block: { until: null, reason } } });

type Keys = Readonly<Record<string, CandidateOptions>>;

/** An account a key, or the part of the label before a dash. */
function candidates(keys: Keys): AccountCandidate[] {
  return Object.entries(keys).map(([label, options]) => ({
    ...aCandidate(label, options),
    accountId: label.split('-')[0] as string,
    inFlight: 0,
    parallelLimit: null,
  }));
}

const told = (before: Keys, after: Keys, limit = new OncePerHour(), at = NOW) =>
  noticesBetween(pictureOf(candidates(before), at - 1), pictureOf(candidates(after), at), limit, 'UTC');

describe('what is worth a notice', () => {
  it.each<[string, Keys, Keys, readonly string[]]>([
    [
      'an account that ran out',
      { a: FINE, b: FINE },
      { a: usedUp(NOW + 2 * HOUR), b: FINE },
      ['a has used up its quota. It is back at 14:00 (in 2 h). 1 of 2 keys can serve.'],
    ],
    [
      'several that ran out together',
      { a: FINE, b: FINE, c: FINE },
      { a: usedUp(NOW + 2 * HOUR), b: usedUp(NOW + HOUR), c: FINE },
      ['a and b have used up their quota. The first is back at 13:00 (in 1 h). 1 of 3 keys can serve.'],
    ],
    [
      'two keys of one account',
      { 'a-1': FINE, 'a-2': FINE, b: FINE },
      { 'a-1': usedUp(NOW + HOUR), 'a-2': usedUp(NOW + HOUR), b: FINE },
      ['a-1 has used up its quota. It is back at 13:00 (in 1 h). 1 of 3 keys can serve.'],
    ],
    [
      'the last one',
      { a: usedUp(NOW + 2 * HOUR), b: FINE },
      { a: usedUp(NOW + 2 * HOUR), b: usedUp(NOW + 3 * HOUR) },
      ['Both Kimi keys have used up their quota. The first is back at 14:00 (in 2 h). `kmi status` shows them.'],
    ],
    ['one that is back', { a: usedUp(NOW + 5), b: FINE }, { a: FINE, b: FINE }, ['a can serve again.']],
    [
      'the end of a guess, which proves nothing',
      { a: usedUp(NOW + 5, 'guessed'), b: FINE },
      { a: usedUp(NOW - 5, 'guessed'), b: FINE },
      [],
    ],
    [
      'a refused key',
      { a: FINE, b: FINE },
      { a: refused, b: FINE },
      ['Kimi refused the key a (401). Replace it, then run `kmi doctor --recheck-keys`.'],
    ],
    [
      'a login that is over, with the command that mends it',
      { a: FINE, b: FINE },
      { a: { login: {} }, b: FINE },
      ['The login a has expired. `kmi login --label a` logs in again.'],
    ],
    [
      'several logins that are over',
      { 'a-1': FINE, 'a-2': FINE, b: FINE },
      { 'a-1': { login: {} }, 'a-2': { login: { kind: 'kimi-code' } }, b: FINE },
      ['The logins a-1 and a-2 have expired. `kmi status` says how to log in again.'],
    ],
    [
      'an unpaid account',
      { a: FINE, b: FINE },
      { a: blocked('payment_required'), b: FINE },
      ['The account of a must be paid for. Renew the plan, then run `kmi doctor --recheck-keys`.'],
    ],
    [
      'a closed account',
      { a: FINE, b: FINE },
      { a: blocked('banned'), b: FINE },
      ['The account of a is blocked by Kimi. `kmi doctor` says what to do.'],
    ],
    ['a rate limit', { a: FINE, b: FINE }, { a: { state: { cooldown: { until: NOW + 5_000, reason: 'rate' } } }, b: FINE }, []],
    ['a pool that is back in a moment', { a: FINE }, { a: { state: { cooldown: { until: NOW + 5_000, reason: 'rate' } } } }, []],
    ['a key that a person disabled', { a: FINE, b: FINE }, { a: { disabled: true }, b: FINE }, []],
    ['all disabled', { a: FINE }, { a: { disabled: true } }, []],
    ['a key that came', { a: FINE }, { a: FINE, b: FINE }, []],
    ['nothing new', { a: refused, b: usedUp(NOW + HOUR) }, { a: refused, b: usedUp(NOW + HOUR) }, []],
  ])('%s', (_, before, after, texts) => {
    expect(told(before, after).map(({ text }) => text)).toEqual(texts);
  });

  it('is told at most once an hour and cause', () => {
    const limit = new OncePerHour();
    const out: [Keys, Keys] = [
      { a: FINE, b: FINE },
      { a: refused, b: FINE },
    ];
    expect(told(...out, limit)).toHaveLength(1);
    expect(told(...out, limit, NOW + HOUR - 1)).toHaveLength(0);
    expect(told({ a: FINE, b: FINE }, { a: FINE, b: refused }, limit, NOW + HOUR - 1)).toHaveLength(1);
    expect(told(...out, limit, NOW + HOUR)).toHaveLength(1);
  });
});

describe('a notice on the desktop', () => {
  const text = 'a "b" $(c) `d` <e> & f\'; g';

  it('is no command on any platform, whatever a label holds', () => {
    expect(desktopCommand(text, 'linux').args.slice(1)).toEqual(['--', 'kmi', 'a "b" $(c) `d` &lt;e&gt; &amp; f\'; g']);
    const mac = desktopCommand(text, 'darwin');
    expect([mac.file, ...mac.args.slice(-2)]).toEqual(['osascript', text, 'kmi']);
    const windows = desktopCommand(text, 'win32');
    expect(windows.args.join(' ')).not.toContain('$(c)');
    expect(windows.variables).toMatchObject({ NOTICE_TEXT: text });
  });
});
