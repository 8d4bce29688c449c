/**
 * How auto-rotation picks a key. `round-robin`: the next key that can serve; `sticky`: a session stays with its account;
 * `quota`: as sticky, and new sessions go where quota would otherwise expire.
 */
export const STRATEGIES = ['round-robin', 'sticky', 'quota'] as const;

export type Strategy = (typeof STRATEGIES)[number];

export function isStrategy(value: unknown): value is Strategy {
  return STRATEGIES.some((strategy) => strategy === value);
}
