import type { SessionTable } from '../../sessions/session-table.ts';
import type { AccountCandidate, AccountPool } from '../account-pool.ts';
import type { Choice } from '../choice.ts';
import type { StrategyAtWork, TurnMemory } from '../strategies.ts';
import type { PickOptions } from '../why-not.ts';
import { type AffinityRequest, bySession, EQUAL, pickBySession } from './by-session.ts';

/**
 * A session stays with its account while that can serve, on its wallet too. One that is not known goes to its first
 * account by rendezvous hashing among those with plan quota left, so two proxies agree without talking. Requests without
 * a session are dealt in turn. Statuses (`warn`) keep nobody from serving: they would strand the last of the quota.
 */
export function pickSticky<C extends AccountCandidate>(
  pool: AccountPool<C>,
  request: AffinityRequest,
  sessions: SessionTable,
  options: PickOptions<C>,
): Choice<C> {
  return pickBySession(pool, request, options, { sessions, staysAt: 'ready', preference: () => EQUAL });
}

export function sticky(memory: TurnMemory): StrategyAtWork {
  return bySession(pickSticky, memory);
}
