import type { QuotaWindow as StatedWindow, Usage } from '../src/core/quota/quota.ts';
import { PromptCache } from '../src/simulator/prompt-cache.ts';
import { Quota, type QuotaWindow, type WindowName } from '../src/simulator/quota.ts';
import type { SimRequest } from './demand.ts';

/** What tokens cost in units of quota. */
export type Prices = {
  readonly input: number;
  readonly cached: number;
  readonly output: number /** Per request. */;
  readonly request: number;
};

/** List prices: a cached token costs a tenth (docs/kimi-api.md#prompt-cache); output is taken as five times input. */
export const TOKEN_PRICES: Prices = { input: 1, cached: 0.1, output: 5, request: 0 };
/** Quota counted in requests, whatever they hold. */
export const REQUEST_PRICES: Prices = { input: 0, cached: 0, output: 0, request: 1 };

export type AccountLimits = { readonly fiveHour: number; readonly weekly: number };
/** A weekly window that runs when the simulation begins. */
export type Beginning = { readonly used: number; readonly resetsAt: number };

export type Served = { readonly units: number; readonly cachedTokens: number };

/** One account of the upstream: the simulator's quota windows and prompt cache, without sockets. */
export class SimAccount {
  readonly id: string;
  readonly quota: Quota;
  readonly #cache: PromptCache;
  readonly #prices: Prices;
  units = 0;

  constructor(id: string, limits: AccountLimits | null, begins: Beginning | null, prices: Prices, cacheLifetimeMs: number) {
    this.id = id;
    const weekly = limits === null ? null : { limit: limits.weekly, ...(begins ?? {}) };
    this.quota = new Quota({ fiveHour: limits === null ? null : { limit: limits.fiveHour }, weekly, cost: 'tokens' }, 0);
    this.#cache = new PromptCache(cacheLifetimeMs);
    this.#prices = prices;
  }

  /** null: refused, a window is full. */
  serve(request: SimRequest, now: number): Served | null {
    if (this.quota.full(now) !== null) return null;
    const { inputTokens, outputTokens, session, epoch } = request;
    const cachedTokens = this.#cache.use(`${session}.${epoch}`, inputTokens, now);
    const units = unitsOf(this.#prices, inputTokens, cachedTokens, outputTokens);
    this.quota.charge(units, now);
    this.units += units;
    return { units, cachedTokens };
  }

  /** As `/usages` gives it: whole percents, and for a window that has not begun the reset it would have if it began now. */
  usage(now: number): Usage {
    const windows = [this.#stated('fiveHour', now), this.#stated('weekly', now)].filter((window) => window !== null);
    const remainingShare = Math.min(...windows.map((window) => window.remainingShare ?? 1));
    return { windows, remainingShare, walletCents: null, parallelLimit: null, plan: null };
  }

  #stated(name: WindowName, now: number): StatedWindow | null {
    const window: QuotaWindow | null = this.quota.window(name, now);
    if (window === null) return null;
    const used = Math.floor((100 * window.used) / window.limit);
    const resetsAt = window.resetsAt ?? now + window.durationMs;
    return {
      label: name,
      remainingShare: 1 - used / 100,
      used,
      limit: 100,
      resetsAt,
      resetHint: null,
      durationMs: window.durationMs,
    };
  }
}

function unitsOf(prices: Prices, inputTokens: number, cachedTokens: number, outputTokens: number): number {
  return (
    prices.input * (inputTokens - cachedTokens) + prices.cached * cachedTokens + prices.output * outputTokens + prices.request
  );
}
