/**
 * How auto-rotation picks a key. `round-robin`: the next key that can serve; `sticky`: a session stays with its account;
 * `quota`: as sticky, and new sessions go where quota would otherwise expire.
 */
export const STRATEGIES = ['round-robin', 'sticky', 'quota'] as const;

export type Strategy = (typeof STRATEGIES)[number];

export function isStrategy(value: unknown): value is Strategy {
  return STRATEGIES.some((strategy) => strategy === value);
}

/** The strategy in force, and whether `kmi rotate auto --strategy` chose it or `KMI_ROTATE_STRATEGY` says so. */
export type StrategyInForce = { readonly strategy: Strategy; readonly source: 'chosen' | 'setting' };

/** Said in place of a strategy to give a choice up. */
export const AS_SET = 'setting';

/** A choice goes before the setting. */
export function strategyInForce(chosen: Strategy | null, setting: Strategy): StrategyInForce {
  return chosen === null ? { strategy: setting, source: 'setting' } : { strategy: chosen, source: 'chosen' };
}

/** The strategy by which keys take turns now; null while requests stay with the active key. */
export function rotationInForce(
  { autoRotate, strategy }: { readonly autoRotate: boolean; readonly strategy: Strategy | null },
  { autoRotateAllowed, rotateStrategy }: { readonly autoRotateAllowed: boolean; readonly rotateStrategy: Strategy },
): Strategy | null {
  return autoRotate && autoRotateAllowed ? strategyInForce(strategy, rotateStrategy).strategy : null;
}
