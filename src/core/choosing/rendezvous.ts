import { hashText } from '../sessions/session-hash.ts';

/** Seed apart from that of session ids, so that a session named like an account is no special case. */
const ACCOUNT_SEED = 0x61636374;

/** The hash of an account that `rendezvousWeight` takes; computed once per account, not per request. */
export function hashAccount(accountId: string): number {
  return hashText(accountId, ACCOUNT_SEED);
}

/**
 * The weight of an account for a session, 0 to 2^32 - 1; the account with the highest weight is the session's (rendezvous
 * hashing, Thaler and Ravishankar 1998). Adding an account moves only the sessions it wins, removing one only those it
 * held, and every process finds the same order without talking.
 */
export function rendezvousWeight(session: number, accountHash: number): number {
  let mixed = Math.imul((session ^ accountHash) >>> 0, 2246822507);
  mixed ^= Math.imul(((session / 4294967296) ^ (accountHash / 4294967296)) + 0x9e3779b9, 3266489909);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 2246822507);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 3266489909);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** Account ids from the session's first choice to its last. */
export function rendezvousOrder(session: number, accountIds: readonly string[]): readonly string[] {
  return accountIds
    .map((id) => ({ id, weight: rendezvousWeight(session, hashAccount(id)) }))
    .sort((a, b) => b.weight - a.weight || (a.id < b.id ? -1 : 1))
    .map(({ id }) => id);
}
