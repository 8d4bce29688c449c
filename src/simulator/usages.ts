import type { SimulatedAccount } from './account.ts';
import type { QuotaWindow, WindowName } from './quota.ts';

/** `amount` is in hundred-millionths of the currency unit, so a cent is 10⁶ (docs/kimi-api.md#wallet). */
const WALLET_PER_CENT = 1_000_000;

/** The body of `GET /usages` in the account's view. Numbers are decimal strings, times ISO with micro- or nanoseconds. */
export function renderUsages(account: SimulatedAccount, now: number): string {
  switch (account.behaviour.usagesView) {
    case 'classic':
      return JSON.stringify({ ...classicView(account, now, false), ...surroundings(account) });
    case 'sparse':
      return JSON.stringify({ ...classicView(account, now, true), ...surroundings(account) });
    case 'new':
      return JSON.stringify({ ...emptyLimits(), usages: newView(account, now, false), ...surroundings(account) });
    case 'both':
      return JSON.stringify({
        ...classicView(account, now, false),
        usages: newView(account, now, false),
        ...surroundings(account),
      });
    case 'contradicting':
      return JSON.stringify({
        ...classicView(account, now, false),
        usages: newView(account, now, true),
        ...surroundings(account),
      });
    case 'percent': {
      const tightest = tightestWindow(account, now);
      if (tightest === null) return '{}';
      const remaining = Math.round((100 * (tightest.limit - tightest.used)) / tightest.limit);
      return JSON.stringify({ remaining_percent: remaining, reset_in: secondsLeft(tightest, now) });
    }
    case 'remaining_total':
      return JSON.stringify(remainingTotal(account, now));
    case 'nested':
      return JSON.stringify({ code: 0, data: remainingTotal(account, now) });
  }
}

function classicView(account: SimulatedAccount, now: number, sparse: boolean) {
  const weekly = account.quota.window('weekly', now);
  const fiveHour = account.quota.window('fiveHour', now);
  return {
    ...(weekly === null ? {} : { usage: detail(weekly, now, sparse) }),
    limits: fiveHour === null ? [] : [{ window: spanOf(fiveHour), detail: detail(fiveHour, now, sparse) }],
  };
}

function detail(window: QuotaWindow, now: number, sparse: boolean) {
  const remaining = Math.max(0, window.limit - window.used);
  return {
    limit: String(window.limit),
    ...(sparse && window.used === 0 ? {} : { used: String(window.used) }),
    ...(sparse && remaining === 0 ? {} : { remaining: String(remaining) }),
    resetTime: isoTime(window.resetsAt ?? now + window.durationMs, '605'),
  };
}

function spanOf(window: QuotaWindow) {
  return { duration: Math.round(window.durationMs / 60_000), timeUnit: 'TIME_UNIT_MINUTE' };
}

/** On plans with the new view the old list is there, but says nothing. */
function emptyLimits() {
  const zero = { limit: '0', used: '0', remaining: '0' };
  return { limits: [{ window: { duration: 300, timeUnit: 'TIME_UNIT_MINUTE' }, detail: zero }] };
}

function newView(account: SimulatedAccount, now: number, stuck: boolean) {
  const reading = (name: WindowName) => {
    const window = account.quota.window(name, now);
    if (window === null) return null;
    const ratio = stuck || window.limit === 0 ? 0 : window.used / window.limit;
    return { used_ratio: ratio, ...(window.resetsAt === null ? {} : { reset_time: isoTime(window.resetsAt, '605123') }) };
  };
  const monthly = reading('monthly');
  const readings = {
    limit_5h: reading('fiveHour'),
    limit_7d: reading('weekly'),
    limit_month_total: monthly,
    limit_month_code: monthly,
  };
  return Object.fromEntries(Object.entries(readings).filter(([, value]) => value !== null));
}

/** `totalQuota` is as useless here as upstream: always 99 of 100. */
function surroundings(account: SimulatedAccount) {
  const { wallet, parallelLimit, profile } = account;
  const balance = wallet === null ? null : String(wallet.cents * WALLET_PER_CENT);
  return {
    ...(parallelLimit === null ? {} : { parallel: { limit: String(parallelLimit) } }),
    totalQuota: { limit: '100', remaining: '99' },
    subType: 'TYPE_PURCHASE',
    user: { membership: { level: profile.plan } },
    ...(wallet === null || balance === null
      ? {}
      : {
          boosterWallet: {
            balance: { type: 'BOOSTER', amount: balance, amountLeft: balance, unit: 'UNIT_CURRENCY' },
            monthlyChargeLimitEnabled: true,
            monthlyChargeLimit: { currency: wallet.currency, priceInCents: '5000' },
            monthlyUsed: { currency: wallet.currency, priceInCents: '0' },
          },
        }),
  };
}

function remainingTotal(account: SimulatedAccount, now: number) {
  const tightest = tightestWindow(account, now);
  if (tightest === null) return {};
  return {
    remaining: String(Math.max(0, tightest.limit - tightest.used)),
    total: String(tightest.limit),
    reset_at: isoTime(tightest.resetsAt ?? now + tightest.durationMs, '605'),
  };
}

function tightestWindow(account: SimulatedAccount, now: number): QuotaWindow | null {
  let tightest: QuotaWindow | null = null;
  for (const name of ['fiveHour', 'weekly', 'monthly'] as const) {
    const window = account.quota.window(name, now);
    if (window === null || window.limit === 0) continue;
    if (tightest === null || window.used / window.limit > tightest.used / tightest.limit) tightest = window;
  }
  return tightest;
}

function secondsLeft(window: QuotaWindow, now: number): number {
  return Math.ceil(((window.resetsAt ?? now + window.durationMs) - now) / 1000);
}

/** ISO with more digits than milliseconds, as upstream writes it. */
function isoTime(epochMs: number, extraDigits: string): string {
  return new Date(epochMs).toISOString().replace('Z', `${extraDigits}Z`);
}
