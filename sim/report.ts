import { STRATEGIES } from './pool.ts';
import { makeWorld, type Result, runStrategy } from './run.ts';
import { scenarios } from './scenarios.ts';

export type RowResult = {
  readonly name: string;
  readonly requests: number;
  /** The bound over the demand. */
  readonly boundOfDemand: number;
  readonly idealCacheShare: number;
  readonly results: readonly Result[];
};
export type GroupResult = { readonly title: string; readonly rows: readonly RowResult[] };

/** Every scenario with every strategy. The same seed gives the same figures. */
export function runAll(options: { readonly short: boolean; readonly seed?: number }): readonly GroupResult[] {
  return scenarios(options).map(({ title, rows }) => ({
    title,
    rows: rows.map(({ name, scenario }): RowResult => {
      const world = makeWorld(scenario);
      return {
        name,
        requests: world.requests.length,
        boundOfDemand: world.boundUnits / world.demandUnits,
        idealCacheShare: world.idealCacheShare,
        results: STRATEGIES.map((strategy) => runStrategy(world, strategy)),
      };
    }),
  }));
}
