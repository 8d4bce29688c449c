import { HOUR_MS, MINUTE_MS } from './demand.ts';
import type { Scenario } from './run.ts';
import { REQUEST_PRICES, TOKEN_PRICES } from './upstream.ts';

export type Named = { readonly name: string; readonly scenario: Scenario };
export type Group = { readonly title: string; readonly rows: readonly Named[] };

const USUAL: Scenario = {
  accounts: 20,
  weeks: 8,
  load: 0.95,
  seed: 20261101,
  prices: TOKEN_PRICES,
  cacheLifetimeMs: HOUR_MS,
  weeklyRatio: 7,
  unevenness: 0,
};

/** `short`: the acceptance's pool and a small one, over fewer weeks. */
export function scenarios({ short, seed = USUAL.seed }: { short: boolean; seed?: number }): readonly Group[] {
  const usual = { ...USUAL, seed, weeks: short ? 3 : USUAL.weeks };
  const pools = (short ? [5, 20] : [2, 5, 10, 20, 50]).map((accounts) => ({
    name: `${accounts} accounts`,
    scenario: { ...usual, accounts },
  }));
  const groups: Group[] = [{ title: 'Pools of every size, demand at 95 % of the quota', rows: pools }];
  if (short) return groups;
  const loads = [0.7, 0.95, 1, 1.1, 1.3].map((load) => ({
    name: `demand at ${Math.round(load * 100)} %`,
    scenario: { ...usual, load },
  }));
  const others: Named[] = [
    { name: 'quota counted in requests', scenario: { ...usual, prices: REQUEST_PRICES } },
    { name: 'caches live 5 minutes', scenario: { ...usual, cacheLifetimeMs: 5 * MINUTE_MS } },
    { name: 'a week is 4 five-hour quotas', scenario: { ...usual, weeklyRatio: 4 } },
    { name: 'a week is 12 five-hour quotas', scenario: { ...usual, weeklyRatio: 12 } },
    { name: 'a week is 20 five-hour quotas', scenario: { ...usual, weeklyRatio: 20 } },
    { name: 'busy and quiet weeks (sigma 0.2)', scenario: { ...usual, unevenness: 0.2 } },
    { name: 'another seed', scenario: { ...usual, seed: seed + 1 } },
  ];
  return [
    ...groups,
    { title: '20 accounts, more and less demand', rows: loads },
    { title: '20 accounts, other assumptions', rows: others },
  ];
}
