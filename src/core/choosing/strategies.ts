import type { SessionTable } from '../sessions/session-table.ts';
import type { AccountCandidate, AccountPool } from './account-pool.ts';
import type { Choice, Chosen } from './choice.ts';
import { quota } from './strategies/quota.ts';
import { roundRobin } from './strategies/round-robin.ts';
import { sticky } from './strategies/sticky.ts';
import { weighted } from './strategies/weighted.ts';
import type { Strategy } from './strategy.ts';
import type { PickOptions } from './why-not.ts';

/** What a pool keeps for its strategies between requests. */
export type TurnMemory = {
  /** Whose turn it is among the keys. Kept in `state.json`. */
  rotationIndex: number;
  /** Whose turn it is among the accounts for a request without a session. */
  dealPosition: number;
  readonly sessions: SessionTable;
};

/** A strategy at work in one pool. What only it has to remember, it remembers itself. */
export type StrategyAtWork = {
  /** Chooses a key without moving anything on. `session`: the request's own; null without one, or where none is asked for. */
  pick<C extends AccountCandidate>(pool: AccountPool<C>, session: number | null, options: PickOptions<C>): Choice<C>;
  /** The key just picked serves. So does, with `binds`, one that had to, for a file: that is nobody's turn. */
  taken<C extends AccountCandidate>(chosen: Chosen<C>, pool: AccountPool<C>, session: number | null): void;
};

/** How each strategy chooses. What others have to know of it: `strategy.ts`; its words: `cli/words/strategy-words.ts`. */
const STRATEGIES_AT_WORK: Readonly<Record<Strategy, (memory: TurnMemory) => StrategyAtWork>> = {
  'round-robin': roundRobin,
  sticky,
  quota,
  weighted,
};

/** Every strategy for one pool: a command may change between them at any time. */
export function startStrategies(memory: TurnMemory): Readonly<Record<Strategy, StrategyAtWork>> {
  const started = Object.entries(STRATEGIES_AT_WORK).map(([name, start]) => [name, start(memory)] as const);
  return Object.fromEntries(started) as Record<Strategy, StrategyAtWork>;
}
