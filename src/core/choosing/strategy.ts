/**
 * How auto-rotation picks a key. `round-robin`: the next key that can serve; `sticky`: a session stays with its account;
 * `quota`: as sticky, and new sessions go where quota would otherwise expire; `weighted`: each account gets as many
 * requests as it weighs beside others.
 */
export const STRATEGIES = ['round-robin', 'sticky', 'quota', 'weighted'] as const;

export type Strategy = (typeof STRATEGIES)[number];

/** Why a key was chosen when its turn had come, as the trace says it. */
export type TurnReason = 'round_robin' | 'dealt' | 'weighted';

/** Who takes turns when requests have no session: keys, accounts, or accounts that get as much as they weigh. */
export type TurnTaker = 'keys' | 'accounts' | 'weights';

/** What all but choosing itself has to know of a strategy. How it chooses: `strategies.ts`. */
export type StrategyFacts = {
  /** A session stays with an account, so choosing asks for the session of a request. */
  readonly keepsSessions: boolean;
  readonly turn: TurnReason;
  readonly turnsOf: TurnTaker;
};

export const STRATEGY_FACTS: Readonly<Record<Strategy, StrategyFacts>> = {
  'round-robin': { keepsSessions: false, turn: 'round_robin', turnsOf: 'keys' },
  sticky: { keepsSessions: true, turn: 'dealt', turnsOf: 'accounts' },
  quota: { keepsSessions: true, turn: 'dealt', turnsOf: 'accounts' },
  weighted: { keepsSessions: false, turn: 'weighted', turnsOf: 'weights' },
};

/** Those with which requests do not fall evenly on the keys. */
export const UNEVEN_STRATEGIES: readonly Strategy[] = STRATEGIES.filter((name) => STRATEGY_FACTS[name].turnsOf !== 'keys');

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
  return autoRotate && autoRotateAllowed ? (strategy ?? rotateStrategy) : null;
}
