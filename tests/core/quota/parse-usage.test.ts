import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseUsage } from '../../../src/core/quota/parse-usage.ts';
import type { QuotaWindow, Usage } from '../../../src/core/quota/quota.ts';
import { cpuMs } from '../../support/cpu-time.ts';

const NOW = Date.parse('2026-11-20T08:00:00Z');
const HOUR = 3_600_000;
const RESET = '2026-11-20T11:30:00.519605123Z';
const RESET_MS = Date.parse('2026-11-20T11:30:00.519Z');
const WEEK_RESET_MS = Date.parse('2026-11-24T00:00:00Z');

function parsed(payload: unknown): Usage {
  const usage = parseUsage(payload, NOW);
  if (usage === null) throw new Error(`no usage in ${JSON.stringify(payload)}`);
  return usage;
}

function only(payload: unknown): QuotaWindow {
  const { windows } = parsed(payload);
  expect(windows).toHaveLength(1);
  return windows[0] as QuotaWindow;
}

function labelled(usage: Usage, label: string): QuotaWindow | undefined {
  return usage.windows.find((window) => window.label === label);
}

const fiveHours = (detail: object) => ({ window: { duration: 300, timeUnit: 'TIME_UNIT_MINUTE' }, detail });

describe('a full answer', () => {
  const usage = parsed({
    usage: { limit: '100', used: '26', remaining: '74', resetTime: '2026-11-24T00:00:00Z' },
    limits: [fiveHours({ limit: '100', used: '27', remaining: '73', resetTime: RESET })],
    usages: {
      limit_5h: { used_ratio: 0.3, reset_time: RESET },
      limit_7d: { used_ratio: 0.2, reset_time: '2026-11-24T00:00:00Z' },
      limit_month_total: { used_ratio: 0.4, reset_time: '2026-12-01T00:00:00Z' },
      limit_month_code: { used_ratio: 0.9, reset_time: '2026-12-01T00:00:00Z' },
    },
    parallel: { limit: '30' },
    totalQuota: { limit: '100', remaining: '1' },
    subType: 'TYPE_PURCHASE',
    user: { membership: { level: 'LEVEL_ADVANCED' } },
    boosterWallet: { balance: { type: 'BOOSTER', amount: '20000000000', amountLeft: '12345678900', unit: 'UNIT_CURRENCY' } },
  });

  it('matches the views of each window and lists the windows shortest first', () => {
    expect(usage.windows.map(({ label }) => label)).toEqual(['5h limit', '7d limit', 'month limit']);
  });

  it('takes the most used view of each window', () => {
    expect(usage.windows[0]?.remainingShare).toBeCloseTo(0.7);
    expect(usage.windows[1]).toEqual({
      label: '7d limit',
      remainingShare: 0.74,
      used: 26,
      limit: 100,
      resetsAt: WEEK_RESET_MS,
      resetHint: null,
      durationMs: 168 * HOUR,
    });
    expect(usage.windows[2]).toMatchObject({ remainingShare: 0.6, resetsAt: Date.parse('2026-12-01T00:00:00Z') });
  });

  it('sums up as the tightest window, without the code share of the month or the unreliable total', () => {
    expect(usage.remainingShare).toBe(0.6);
  });

  it('reads wallet cents, parallel requests and plan', () => {
    expect(usage).toMatchObject({ walletCents: 12345, parallelLimit: 30, plan: 'LEVEL_ADVANCED' });
  });
});

describe('shares', () => {
  const cases: [string, object, number | null][] = [
    ['decimal strings', { limit: '1000', used: '260', remaining: '740' }, 0.74],
    ['numbers', { limit: 1000, used: 260, remaining: 740 }, 0.74],
    ['fractions in strings', { limit: '10.0', used: '2.5' }, 0.75],
    ['used missing at nothing used', { limit: '100', remaining: '100' }, 1],
    ['remaining missing at everything used', { limit: '100', used: '100' }, 0],
    ['used null', { limit: '100', used: null, remaining: '40' }, 0.4],
    ['limit 0 is unknown', { limit: '0', used: '0', remaining: '0' }, null],
    ['limit 0 makes a stated percent unknown too', { limit: 0, remaining_percent: 0 }, null],
    ['a limit alone says nothing', { limit: '100' }, null],
    ['total in place of limit', { total: 200, remaining: 50 }, 0.25],
    ['used beyond the limit', { limit: 100, used: 180 }, 0],
    ['negative remaining', { limit: 100, remaining: -3 }, 0],
    ['negative use', { limit: 100, used: -3 }, 1],
    ['used and remaining that disagree: the most used', { limit: 100, used: 10, remaining: 40 }, 0.4],
    ['a percent alone', { remaining_percent: 42 }, 0.42],
    ['a percent within a point of the counts', { limit: 1000, used: 255, remaining_percent: 74 }, 0.74],
    ['a percent exactly a point off', { limit: 100, used: 25, remaining_percent: 74 }, 0.74],
    ['a percent more than a point off', { limit: 1000, used: 255, remaining_percent: 80 }, 0.745],
    ['a percent a point and a half off', { limit: 1000, used: 255, remaining_percent: 76 }, 0.745],
    ['a percent over 100', { remaining_percent: 140 }, 1],
    ['a ratio of everything', { used_ratio: 1 }, 0],
    ['a ratio over 1', { used_ratio: 1.7 }, 0],
    ['a ratio under 0', { used_ratio: -0.2 }, 1],
    ['a ratio as a string', { used_ratio: '0.25' }, 0.75],
    ['a camel-case ratio', { usedRatio: 0.25 }, 0.75],
    ['a ratio worse than the counts', { limit: 100, used: 0, used_ratio: 0.5 }, 0.5],
    ['a limit that is no number', { limit: 'many', used: '3' }, null],
    ['an infinite limit', { limit: '1e999', used: '3' }, null],
  ];
  it.each(cases)('%s', (_, detail, share) => {
    expect(only({ usage: detail }).remainingShare).toBe(share);
    expect(only({ limits: [fiveHours(detail)] }).remainingShare).toBe(share);
    expect(only({ usages: { limit_5h: detail } }).remainingShare).toBe(share);
  });

  it('gives the counts the share stands for', () => {
    expect(only({ usage: { limit: '100', remaining: '74' } })).toMatchObject({ used: 26, limit: 100 });
    expect(only({ usage: { limit: '0', used: '0' } })).toMatchObject({ used: null, limit: null });
  });
});

describe('views that contradict each other', () => {
  it('believes the counts of limits[] when the ratio is stuck at 0', () => {
    const usage = parsed({ usages: { limit_5h: { used_ratio: 0 } }, limits: [fiveHours({ limit: '100', used: '60' })] });
    expect(usage.windows).toHaveLength(1);
    expect(usage.windows[0]).toMatchObject({ label: '5h limit', remainingShare: 0.4, used: 60, limit: 100 });
  });

  it('believes a used up week in `usage` over a ratio of 0', () => {
    const usage = parsed({
      usage: { limit: '100', used: '100', resetTime: '2026-11-24T00:00:00Z' },
      limits: [fiveHours({ limit: '100', remaining: '100', resetTime: RESET })],
      usages: { limit_5h: { used_ratio: 0 }, limit_7d: { used_ratio: 0 } },
    });
    expect(usage.remainingShare).toBe(0);
    expect(labelled(usage, '7d limit')).toMatchObject({ remainingShare: 0, resetsAt: WEEK_RESET_MS });
    expect(labelled(usage, '5h limit')).toMatchObject({ remainingShare: 1, resetsAt: RESET_MS });
  });

  it('goes by the ratios of a new plan whose counts are all 0', () => {
    const usage = parsed({
      limits: [fiveHours({ limit: '0', used: '0', remaining: '0', resetTime: RESET })],
      usages: { limit_5h: { used_ratio: 0.1 }, limit_month_total: { used_ratio: 0.0 } },
    });
    expect(usage.windows.map(({ remainingShare }) => remainingShare)).toEqual([0.9, 1]);
    expect(usage.remainingShare).toBe(0.9);
  });

  it('is unknown, not used up, when every view is unknown', () => {
    const usage = parsed({ limits: [fiveHours({ limit: '0', used: '0', remaining: '0' })], usages: {} });
    expect(usage.remainingShare).toBeNull();
    expect(usage.windows).toMatchObject([{ label: '5h limit', remainingShare: null }]);
  });

  it('prefers the view with counts when two say the same', () => {
    const usage = parsed({ usages: { limit_5h: { used_ratio: 0.27 } }, limits: [fiveHours({ limit: '100', used: '27' })] });
    expect(usage.windows[0]).toMatchObject({ used: 27, limit: 100 });
  });

  it('borrows the reset time of limits[0] for a limit_5h that has none', () => {
    const withWindow = parsed({ usages: { limit_5h: { used_ratio: 0 } }, limits: [fiveHours({ limit: '0', resetTime: RESET })] });
    expect(labelled(withWindow, '5h limit')?.resetsAt).toBe(RESET_MS);
    const without = parsed({ usages: { limit_5h: { used_ratio: 0.2 } }, limits: [{ detail: { limit: '0', resetTime: RESET } }] });
    expect(without.windows).toMatchObject([{ label: '5h limit', remainingShare: 0.8, resetsAt: RESET_MS }]);
  });
});

describe('reset times', () => {
  const seconds = RESET_MS / 1000;
  const cases: [string, object, number | null, string | null][] = [
    ['ISO with nanoseconds', { resetTime: RESET }, RESET_MS, null],
    ['ISO with microseconds', { reset_time: '2026-11-20T11:30:00.519605Z' }, RESET_MS, null],
    ['ISO with an offset', { resetAt: '2026-11-20T14:30:00.519+03:00' }, RESET_MS, null],
    ['ISO with an offset without colon', { resetAt: '2026-11-20T14:30:00.519+0300' }, RESET_MS, null],
    ['ISO without a zone is UTC', { reset_at: '2026-11-20 11:30:00.519' }, RESET_MS, null],
    ['epoch seconds', { reset_at: seconds }, RESET_MS, null],
    ['epoch seconds in a string', { reset_at: '1795174200' }, 1_795_174_200_000, null],
    ['epoch ms', { reset_at: RESET_MS }, RESET_MS, null],
    ['epoch µs', { reset_at: RESET_MS * 1e3 }, RESET_MS, null],
    ['epoch ns', { reset_at: `${RESET_MS}000000` }, RESET_MS, null],
    ['a span in seconds', { reset_in: 90 }, NOW + 90_000, 'resets in 90s'],
    ['a span in camel case', { resetIn: '90' }, NOW + 90_000, 'resets in 90s'],
    ['a time to live', { ttl: 0 }, NOW, 'resets in 0s'],
    ['a window in seconds', { window: 60 }, NOW + 60_000, 'resets in 60s'],
    ['a time before a span', { ttl: 60, resetTime: RESET }, RESET_MS, null],
    ['words', { reset_at: 'tomorrow' }, null, 'tomorrow'],
    ['words and a span', { reset_at: 'soon', ttl: 60 }, NOW + 60_000, 'soon'],
    ['words with control characters', { reset_at: 'to\u001b[31mmorrow\n' }, null, 'to [31mmorrow'],
    ['zero', { reset_at: 0 }, null, null],
    ['the zero time', { reset_at: '0001-01-01T00:00:00Z' }, null, null],
    ['a day that is none', { reset_at: '2026-13-45T00:00:00Z' }, null, null],
    ['a negative span', { ttl: -5 }, null, null],
    ['a span beyond all dates', { ttl: 1e20 }, null, null],
    ['an object', { reset_at: { seconds: 1 } }, null, null],
  ];
  it.each(cases)('%s', (_, fields, resetsAt, resetHint) => {
    expect(only({ usage: { limit: 10, used: 1, ...fields } })).toMatchObject({ resetsAt, resetHint });
  });
});

describe('window names and lengths', () => {
  const cases: [string, object, string, number | null][] = [
    ['minutes', { window: { duration: 300, timeUnit: 'TIME_UNIT_MINUTE' } }, '5h limit', 5 * HOUR],
    ['odd minutes', { window: { duration: '90', timeUnit: 'TIME_UNIT_MINUTE' } }, '90m limit', 1.5 * HOUR],
    ['days', { window: { duration: 7, timeUnit: 'TIME_UNIT_DAY' } }, '7d limit', 168 * HOUR],
    ['a week', { window: { duration: 1, timeUnit: 'TIME_UNIT_WEEK' } }, '7d limit', 168 * HOUR],
    ['a month', { window: { duration: 1, timeUnit: 'TIME_UNIT_MONTH' } }, 'month limit', null],
    ['plain unit words', { duration: 24, time_unit: 'hours' }, '1d limit', 24 * HOUR],
    ['a name', { name: 'Burst', window: { duration: 1, timeUnit: 'TIME_UNIT_HOUR' } }, 'Burst', HOUR],
    ['a title', { title: 'Night' }, 'Night', null],
    ['a scope', { scope: 'FEATURE_CODING' }, 'FEATURE_CODING', null],
    ['a unit nobody knows', { window: { duration: 3, timeUnit: 'constructor' } }, 'limit 1', null],
    ['nothing', {}, 'limit 1', null],
  ];
  it.each(cases)('%s', (_, fields, label, durationMs) => {
    const detail = { limit: 10, used: 5 };
    expect(only({ limits: [{ ...fields, detail }] })).toMatchObject({ label, durationMs, remainingShare: 0.5 });
    expect(only({ limits: [{ ...fields, ...detail }] })).toMatchObject({ label, durationMs, remainingShare: 0.5 });
  });

  it('matches a named window without length to the one it names', () => {
    const usage = parsed({ usage: { limit: 10, used: 1 }, limits: [{ name: 'Weekly', limit: 10, used: 4 }] });
    expect(usage.windows).toMatchObject([{ label: 'Weekly', remainingShare: 0.6, durationMs: 168 * HOUR }]);
  });

  it('keeps limits apart that say nothing of their window', () => {
    const usage = parsed({
      limits: [
        { limit: 10, used: 1 },
        { limit: 10, used: 2 },
      ],
    });
    expect(usage.windows.map(({ label }) => label)).toEqual(['limit 1', 'limit 2']);
  });

  it('reads pools it has not seen before by their length, and leaves other new fields alone', () => {
    const usage = parsed({ usages: { limit_1d: { used_ratio: 0.5 }, limit_moon: { used_ratio: 1 }, version: 3, extra: {} } });
    expect(usage.windows).toMatchObject([{ label: '1d limit', remainingShare: 0.5 }]);
  });

  it('cuts long names and takes control characters out', () => {
    const label = only({ usage: { limit: 1, used: 0, name: `\u001b]0;${'x'.repeat(500)}\u0007` } }).label;
    expect(label).toMatch(/^\]0;x+…$/);
    expect(label.length).toBeLessThanOrEqual(60);
  });
});

describe('other places', () => {
  it('looks inside `data`', () => {
    const usage = parsed({ code: 0, data: { usage: { limit: '10', used: '5' }, user: { membership: { level: 'A' } } } });
    expect(usage).toMatchObject({ remainingShare: 0.5, plan: 'A' });
  });

  it.each([
    ['top level', { remaining: '30', total: '100' }],
    ['inside data', { data: { remaining: 30, total: 100 } }],
    ['a percent at top level', { remaining_percent: 30 }],
  ])('reads an account-wide quota: %s', (_, payload) => {
    expect(parsed(payload)).toMatchObject({ remainingShare: 0.3, windows: [{ label: 'quota' }] });
  });

  it('lets counts win over an account-wide percent', () => {
    expect(parsed({ remaining_percent: 5, usage: { limit: 100, used: 20 } })).toMatchObject({
      remainingShare: 0.8,
      windows: [{}],
    });
    expect(parsed({ remaining_percent: 5, usages: { limit_5h: { used_ratio: 0 } } }).remainingShare).toBe(0.05);
  });

  it.each([
    [{ balance: { amount: '20000000000', amountLeft: '5000000' } }, 5],
    [{ balance: { amount: '20000000000' } }, 0],
    [{ balance: { amountLeft: '999999' } }, 0],
    [{ balance: { amountLeft: '-5000000' } }, 0],
    [{ balance: {} }, null],
    [{ balance: 'none' }, null],
    [null, null],
  ])('reads the wallet %j as %j cents', (boosterWallet, cents) => {
    expect(parsed({ usage: { limit: 1, used: 1 }, boosterWallet }).walletCents).toBe(cents);
  });

  it('takes the subscription type when there is no membership level', () => {
    expect(parsed({ subType: 'TYPE_PURCHASE', usage: {} }).plan).toBe('TYPE_PURCHASE');
  });

  it('reads a limit of 0 parallel requests as not stated', () => {
    expect(parsed({ parallel: { limit: '0' }, usage: {} }).parallelLimit).toBeNull();
  });
});

describe('what is no usage answer', () => {
  it.each([
    ['HTML', '<html></html>'],
    ['nothing', null],
    ['undefined', undefined],
    ['an array', [{ usage: { limit: 1, used: 1 } }]],
    ['an empty object', {}],
    ['an error', { error: { message: 'Invalid Authentication', type: 'invalid_authentication_error' } }],
    ['a model list', { object: 'list', data: [] }],
    ['only the unreliable total', { totalQuota: { limit: '100', remaining: '99' } }],
    ['a number', 7],
  ])('%s is null', (_, payload) => {
    expect(parseUsage(payload, NOW)).toBeNull();
  });
});

describe('hostile input', () => {
  it('gives at most 50 windows, quickly', async () => {
    const limits = Array.from({ length: 200_000 }, (_, n) => ({ name: `n${n}`, limit: 10, used: 1 }));
    const usages = Object.fromEntries(Array.from({ length: 9_000 }, (_, n) => [`limit_${n}m`, { used_ratio: 0.5 }]));
    expect(await cpuMs(() => expect(parsed({ limits, usages }).windows).toHaveLength(50))).toBeLessThan(1000);
  });

  it('neither pollutes prototypes nor reads from them', () => {
    const payload: unknown = JSON.parse(
      '{"__proto__":{"usage":{"limit":1,"used":1},"polluted":1},"limits":[{"name":"__proto__","limit":10,"used":5}],"usages":{"__proto__":{"used_ratio":1},"constructor":{"used_ratio":1}}}',
    );
    const usage = parsed(payload);
    expect(usage.windows).toMatchObject([{ label: '__proto__', remainingShare: 0.5 }]);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    expect(parseUsage(Object.create({ usage: { limit: 1, used: 1 } }), NOW)).toBeNull();
  });

  it('does not hang on long strings', async () => {
    const long = '1'.repeat(1_000_000);
    const usage = { limit: long, used: `${long}x`, resetTime: `2026-${long}`, name: ' '.repeat(1_000_000) };
    expect(await cpuMs(() => parseUsage({ usage }, NOW))).toBeLessThan(400);
  });
});

describe('laws', () => {
  const scalar = fc.oneof(
    fc.double(),
    fc.integer(),
    fc.integer().map(String),
    fc.double().map(String),
    fc.string(),
    fc.constantFrom('0', '1e308', '-1e308', '5e-324', null, Number.POSITIVE_INFINITY, Number.NaN),
  );
  const fields = [
    'limit',
    'total',
    'used',
    'remaining',
    'remaining_percent',
    'used_ratio',
    'resetTime',
    'reset_in',
    'ttl',
    'window',
    'name',
  ];
  const quota = fc.record(Object.fromEntries(fields.map((field) => [field, scalar])), { requiredKeys: [] });
  const limit = fc.oneof(
    quota,
    fc.anything(),
    fc.record({
      window: fc.record({ duration: scalar, timeUnit: fc.constantFrom('TIME_UNIT_MINUTE', 'DAY', '') }),
      detail: quota,
    }),
  );
  const answer = fc.record(
    {
      usage: fc.oneof(quota, fc.anything()),
      limits: fc.oneof(fc.array(limit), fc.anything()),
      usages: fc.dictionary(fc.constantFrom('limit_5h', 'limit_7d', 'limit_month_total', 'limit_month_code', '__proto__'), quota),
      boosterWallet: fc.record({ balance: fc.record({ amountLeft: scalar, amount: scalar }) }),
      parallel: quota,
      data: fc.oneof(quota, fc.anything()),
      remaining: scalar,
      total: scalar,
    },
    { requiredKeys: [] },
  );

  it('never throws, whatever the payload', () => {
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.jsonValue(), answer), (payload) => {
        parseUsage(payload, NOW);
      }),
      { numRuns: 1000 },
    );
  });

  it('keeps shares in 0 to 1, the sum at the tightest, times and counts finite', () => {
    fc.assert(
      fc.property(answer, (payload) => {
        const usage = parseUsage(payload, NOW);
        if (usage === null) return;
        const shares = usage.windows.map(({ remainingShare }) => remainingShare).filter((share) => share !== null);
        for (const share of shares) expect(share >= 0 && share <= 1).toBe(true);
        expect(usage.remainingShare).toBe(shares.length === 0 ? null : Math.min(...shares));
        for (const { resetsAt, used, limit } of usage.windows) {
          if (resetsAt !== null) expect(new Date(resetsAt).getTime()).toBe(resetsAt);
          expect(used === null || (Number.isFinite(used) && used >= 0)).toBe(true);
          expect(limit === null || (Number.isFinite(limit) && limit > 0)).toBe(true);
        }
        expect(usage.walletCents === null || usage.walletCents >= 0).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it('never shows more left when another view of a window is added', () => {
    const view = fc.record({ limit: fc.integer({ min: 0, max: 100 }), used: fc.integer({ min: 0, max: 120 }) });
    fc.assert(
      fc.property(view, fc.double({ min: 0, max: 1.5, noNaN: true }), (counts, ratio) => {
        const alone = parsed({ limits: [fiveHours(counts)] }).remainingShare;
        const both = parsed({ limits: [fiveHours(counts)], usages: { limit_5h: { used_ratio: ratio } } });
        expect(both.windows).toHaveLength(1);
        expect(both.remainingShare).not.toBeNull();
        expect(both.remainingShare ?? 1).toBeLessThanOrEqual(alone ?? 1);
      }),
    );
  });
});
