import type { AccountCandidate } from '../core/choosing/account-pool.ts';
import { type KeyOut, whyOut } from '../core/choosing/no-key.ts';

/** `waits`: out for a moment, for which nobody need be called. */
export type Standing = 'serves' | 'waits' | 'used-up' | 'refused' | 'unpaid' | 'closed';

export type KeyPicture = {
  readonly label: string;
  readonly account: string;
  readonly standing: Standing;
  /** Null: it can serve. */
  readonly out: KeyOut | null;
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
  const isOut = keys.length > 0 && keys.every(({ out, standing }) => out !== null && standing !== 'serves');
  const isBrief = keys.some(
    ({ out }) => out !== null && (isMomentary(out) || (out.until !== null && out.until - at <= BRIEF_MS)),
  );
  return { at, keys, isNoneLeft: isOut && !isBrief };
}

function keyPicture(candidate: AccountCandidate, at: number): KeyPicture {
  const { key, accountId: account, state } = candidate;
  const out = whyOut(candidate, at);
  // An end that was a guess is none until the upstream has served the key.
  const isDoubtful = out === null && state.cooldown?.reason === 'quota' && state.cooldown.end !== undefined;
  return { label: key.label, account, standing: isDoubtful ? 'used-up' : standingOf(out), out };
}

function standingOf(out: KeyOut | null): Standing {
  switch (out?.reason) {
    case undefined:
    // It failed while others worked, and still serves when no other can.
    case 'upstream':
      return 'serves';
    case 'quota':
    case 'empty':
      return 'used-up';
    case 'auth':
      return 'refused';
    case 'payment_required':
      return 'unpaid';
    case 'banned':
    case 'blocked':
      return 'closed';
    default:
      return 'waits';
  }
}

function isMomentary({ reason }: KeyOut): boolean {
  return reason === 'probing' || reason === 'busy';
}
