import { boundOf } from './bound.ts';
import { MARGIN_WEEKS, makeDemand, type SimRequest, WEEK_MS } from './demand.ts';
import { SimPool, type Strategy } from './pool.ts';
import { Random } from './random.ts';
import { type Beginning, type Prices, SimAccount } from './upstream.ts';

export type Scenario = {
  readonly accounts: number;
  /** Weeks that are measured; one goes before and one follows, so that neither fresh nor left-over windows count. */
  readonly weeks: number;
  /** Demand as a share of the pool's weekly quota, at the price it has with one unlimited account. */
  readonly load: number;
  readonly seed: number;
  readonly prices: Prices;
  readonly cacheLifetimeMs: number;
  /** A week's quota in 5-hour quotas. */
  readonly weeklyRatio: number;
  /** How much busier some weeks are than others: sigma of a log-normal factor; 0 = all alike but for chance. */
  readonly unevenness: number;
};

/** Sessions a week that one account's weekly quota is for, at a load of 1: some 2,200 requests. An assumption. */
const SESSIONS_PER_ACCOUNT = 75;

function isMeasured({ at }: SimRequest, weeks: number): boolean {
  return at >= MARGIN_WEEKS * WEEK_MS && at < (MARGIN_WEEKS + weeks) * WEEK_MS;
}

export type World = {
  readonly scenario: Scenario;
  readonly requests: readonly SimRequest[];
  /** Units of each request with one unlimited account. */
  readonly idealUnits: readonly number[];
  readonly demandUnits: number;
  /** Share of input tokens that is cached with one unlimited account. */
  readonly idealCacheShare: number;
  readonly weekly: number;
  readonly fiveHour: number;
  readonly beginnings: readonly Beginning[];
  /** Upper bound of what any choice of accounts could serve, in units. */
  readonly boundUnits: number;
};

export type Result = {
  readonly strategy: Strategy;
  /** Units served, each request at its ideal price, over the demand's. */
  readonly servedShare: number;
  readonly boundShare: number;
  /** The same over the demand or the pool's weekly quota, whichever is less: what can be served in the long run. */
  readonly sustainableShare: number;
  readonly cacheShare: number;
  /** Share of requests refused. */
  readonly refusedShare: number;
  readonly movesPerSession: number;
  /** Jain's index of units spent per account: 1 = all alike. */
  readonly fairness: number;
  readonly upstreamRefusals: number;
};

export function makeWorld(scenario: Scenario): World {
  const { accounts, weeks, load, seed, prices, cacheLifetimeMs, weeklyRatio, unevenness } = scenario;
  const allWeeks = weeks + 2 * MARGIN_WEEKS;
  const requests = makeDemand({ seed, weeks: allWeeks, sessionsPerWeek: SESSIONS_PER_ACCOUNT * accounts * load, unevenness });
  const unlimited = new SimAccount('unlimited', null, null, prices, cacheLifetimeMs);
  let input = 0;
  let cached = 0;
  let demandUnits = 0;
  const idealUnits = requests.map((request) => {
    const served = unlimited.serve(request, request.at);
    if (isMeasured(request, weeks)) {
      input += request.inputTokens;
      cached += served?.cachedTokens ?? 0;
      demandUnits += served?.units ?? 0;
    }
    return served?.units ?? 0;
  });
  const weekly = demandUnits / (load * accounts * weeks);
  const fiveHour = weekly / weeklyRatio;
  const random = new Random(seed + 1);
  // Accounts were bought at different times: their weeks end at different times, and are used as far as they have come.
  const beginnings = Array.from({ length: accounts }, (): Beginning => {
    const left = random.next();
    return { used: Math.min(1, load) * (1 - left) * weekly, resetsAt: Math.ceil(left * WEEK_MS) };
  });
  const partial = { scenario, requests, idealUnits, demandUnits, weekly, fiveHour, beginnings };
  return { ...partial, idealCacheShare: cached / input, boundUnits: boundOf(partial) };
}

export function runStrategy(world: World, strategy: Strategy): Result {
  const { scenario, requests, idealUnits, beginnings, weekly, fiveHour } = world;
  const accounts = beginnings.map(
    (begins, n) => new SimAccount(`account-${n + 1}`, { fiveHour, weekly }, begins, scenario.prices, scenario.cacheLifetimeMs),
  );
  const pool = new SimPool(accounts, strategy);
  let servedUnits = 0;
  let refused = 0;
  let input = 0;
  let cached = 0;
  let moves = 0;
  let asked = 0;
  const sessions = new Set<number>();
  for (const [n, request] of requests.entries()) {
    const outcome = pool.serve(request, request.at);
    if (!isMeasured(request, scenario.weeks)) continue;
    asked += 1;
    if (outcome === null) {
      refused += 1;
      continue;
    }
    sessions.add(request.session);
    servedUnits += idealUnits[n] as number;
    input += request.inputTokens;
    cached += outcome.cachedTokens;
    if (outcome.isMove) moves += 1;
  }
  const spent = accounts.map(({ units }) => units);
  const sum = spent.reduce((a, b) => a + b, 0);
  const squares = spent.reduce((a, b) => a + b * b, 0);
  return {
    strategy,
    servedShare: servedUnits / world.demandUnits,
    boundShare: servedUnits / world.boundUnits,
    sustainableShare: servedUnits / Math.min(world.demandUnits, world.demandUnits / scenario.load),
    cacheShare: cached / input,
    refusedShare: refused / asked,
    movesPerSession: moves / sessions.size,
    fairness: (sum * sum) / (spent.length * squares),
    upstreamRefusals: pool.upstreamRefusals,
  };
}
