import type { SessionTable } from '../../sessions/session-table.ts';
import type { AccountCandidate, AccountPool } from '../account-pool.ts';
import type { Choice } from '../choice.ts';
import { preferenceFor } from '../placement.ts';
import type { StrategyAtWork, TurnMemory } from '../strategies.ts';
import type { PickOptions } from '../why-not.ts';
import { type AffinityRequest, bySession, pickBySession } from './by-session.ts';

/**
 * As `sticky`, but a session that is placed or moved goes where quota would otherwise expire (`preferenceFor`), and no
 * session stays on a wallet while an account with plan quota can serve.
 */
export function pickQuota<C extends AccountCandidate>(
  pool: AccountPool<C>,
  request: AffinityRequest,
  sessions: SessionTable,
  options: PickOptions<C>,
): Choice<C> {
  const preference = () => preferenceFor(pool, sessions, options.now);
  return pickBySession(pool, request, options, { sessions, staysAt: 'free', preference });
}

export function quota(memory: TurnMemory): StrategyAtWork {
  return bySession(pickQuota, memory);
}
