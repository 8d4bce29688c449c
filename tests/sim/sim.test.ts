import { describe, expect, it } from 'vitest';
import { runAll } from '../../sim/report.ts';
import { renderTables } from '../../sim/table.ts';

describe('the simulation, in its short form', () => {
  const groups = runAll({ short: true });
  const row = groups[0]?.rows.find(({ name }) => name === '20 accounts');

  it('meets what was promised for 20 accounts and demand at 95 % of the quota', () => {
    const of = (strategy: string) => row?.results.find((result) => result.strategy === strategy);
    expect(of('quota')?.boundShare).toBeGreaterThanOrEqual(0.99);
    expect(of('sticky')?.boundShare).toBeGreaterThanOrEqual(0.95);
    const ideal = row?.idealCacheShare ?? Number.NaN;
    expect((of('quota')?.cacheShare ?? 0) / ideal).toBeGreaterThanOrEqual(0.95);
    expect((of('sticky')?.cacheShare ?? 0) / ideal).toBeGreaterThanOrEqual(0.95);
    expect(of('round-robin')?.servedShare).toBeLessThan(0.9);
  });

  it('never serves more than the bound, and uses every account', () => {
    for (const { results, boundOfDemand } of groups.flatMap(({ rows }) => rows)) {
      expect(boundOfDemand).toBeLessThanOrEqual(1 + 1e-9);
      for (const { boundShare, fairness } of results) {
        expect(boundShare).toBeLessThanOrEqual(1 + 1e-9);
        expect(fairness).toBeGreaterThan(0.9);
      }
    }
  });

  it('gives the same figures for the same seed, others for another', () => {
    const again = runAll({ short: true });
    expect(renderTables(again)).toBe(renderTables(groups));
    expect(renderTables(runAll({ short: true, seed: 7 }))).not.toBe(renderTables(groups));
  });
});
