import type { AccountCandidate, AccountSkipReason } from '../core/choosing/account-pool.ts';
import { type KeyOut, whyOut } from '../core/choosing/no-key.ts';
import { isMomentary } from '../core/choosing/passing.ts';

export type KeyPicture = {
  readonly label: string;
  readonly account: string;
  /** Null: it is ready. */
  readonly out: KeyOut | null;
  /** Why it does not serve; null: it does, if only when no other can. */
  readonly reason: AccountSkipReason | null;
};

/** The enabled keys at one moment, as far as notices go by them. */
export type Picture = {
  readonly at: number;
  readonly keys: readonly KeyPicture[];
  /** No key can serve, and not just for a moment. */
  readonly isNoneLeft: boolean;
};

/** A pool that is back sooner is not worth a notice. */
const BRIEF_MS = 60_000;

export function pictureOf(candidates: readonly AccountCandidate[], at: number): Picture {
  const keys = candidates.filter(({ key }) => !key.disabled).map((candidate) => keyPicture(candidate, at));
  const isOut = keys.length > 0 && keys.every(({ out, reason }) => out !== null && reason !== null);
  const isBrief = keys.some(
    ({ out }) => out !== null && (isMomentary(out.reason) || (out.until !== null && out.until - at <= BRIEF_MS)),
  );
  return { at, keys, isNoneLeft: isOut && !isBrief };
}

function keyPicture(candidate: AccountCandidate, at: number): KeyPicture {
  const { key, accountId: account, state } = candidate;
  const out = whyOut(candidate, at);
  // An end that was a guess is none until the upstream has served the key.
  const isDoubtful = out === null && state.cooldown?.reason === 'quota' && state.cooldown.end !== undefined;
  // One that failed while others worked still serves when no other can.
  const known = out === null || out.reason === 'upstream' ? null : out.reason;
  return { label: key.label, account, out, reason: isDoubtful ? 'quota' : known };
}
