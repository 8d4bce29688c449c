export type WindowName = 'fiveHour' | 'weekly' | 'monthly';

/** What a test says of a window; what it leaves out keeps its value, or takes the default of a new window. */
export type WindowSpec = {
  /** Units; 0 = the upstream does not say, which never refuses anything. */
  limit?: number;
  used?: number;
  durationMs?: number;
  /** Epoch ms; null = the window begins with the next charge. */
  resetsAt?: number | null;
};

export type QuotaSpec = {
  fiveHour?: WindowSpec | null;
  weekly?: WindowSpec | null;
  monthly?: WindowSpec | null;
  /** Units one successful chat costs: a number (default 1), or the tokens it reads and writes. */
  cost?: number | 'tokens';
};

export type QuotaWindow = { limit: number; used: number; durationMs: number; resetsAt: number | null };

const HOUR_MS = 3_600_000;

const DURATIONS_MS: Record<WindowName, number> = { fiveHour: 5 * HOUR_MS, weekly: 7 * 24 * HOUR_MS, monthly: 30 * 24 * HOUR_MS };

/** Wide enough that no test meets it by accident. */
const WIDE: WindowSpec = { limit: 1_000_000 };

const NAMES = Object.keys(DURATIONS_MS) as WindowName[];

/**
 * The quota windows of one account. A window begins with its first charge, ends `durationMs` later by the clock, and is
 * empty again from then on. Accounts have a 5-hour and a weekly window unless the spec says otherwise.
 */
export class Quota {
  cost: number | 'tokens' = 1;
  readonly #windows: Record<WindowName, QuotaWindow | null> = { fiveHour: null, weekly: null, monthly: null };

  constructor(spec: QuotaSpec, now: number) {
    this.set({ fiveHour: WIDE, weekly: WIDE, ...spec }, now);
  }

  set(spec: QuotaSpec, now: number): void {
    if (spec.cost !== undefined) this.cost = spec.cost;
    for (const name of NAMES) {
      const given = spec[name];
      if (given === undefined) continue;
      this.#windows[name] = given === null ? null : merge(this.window(name, now), given, DURATIONS_MS[name], now);
    }
  }

  /** The window as it stands at `now`, or null when the account has none. */
  window(name: WindowName, now: number): QuotaWindow | null {
    const window = this.#windows[name];
    if (window !== null && window.resetsAt !== null && window.resetsAt <= now) {
      window.used = 0;
      window.resetsAt = null;
    }
    return window;
  }

  /** The full window that keeps the account from serving longest, or null. */
  full(now: number): WindowName | null {
    let found: WindowName | null = null;
    for (const name of NAMES) {
      const window = this.window(name, now);
      if (window !== null && window.limit > 0 && window.used >= window.limit) found = name;
    }
    return found;
  }

  /** Takes what one chat of `tokens` costs from every window; none goes above its limit. */
  charge(tokens: number, now: number): void {
    const units = this.cost === 'tokens' ? tokens : this.cost;
    if (units === 0) return;
    for (const name of NAMES) {
      const window = this.window(name, now);
      if (window === null) continue;
      window.used = window.limit > 0 ? Math.min(window.limit, window.used + units) : window.used + units;
      window.resetsAt ??= now + window.durationMs;
    }
  }
}

function merge(old: QuotaWindow | null, given: WindowSpec, defaultMs: number, now: number): QuotaWindow {
  const used = given.used ?? old?.used ?? 0;
  const durationMs = given.durationMs ?? old?.durationMs ?? defaultMs;
  const resetsAt = given.resetsAt !== undefined ? given.resetsAt : (old?.resetsAt ?? null);
  return {
    limit: given.limit ?? old?.limit ?? 100,
    used,
    durationMs,
    // A window that has been used has begun, so it has an end.
    resetsAt: resetsAt === null && used > 0 ? now + durationMs : resetsAt,
  };
}
