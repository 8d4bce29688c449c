import type { AccountSkip } from './account-pool.ts';
import type { Candidate } from './eligibility.ts';
import type { TurnReason } from './strategy.ts';

/**
 * `fail_open`: no key's quota is known, though it should be; `reserve`: no key was ready, so a reserve gets a try; `lone_key`: the
 * only key there is, which is asked whatever is known of it, so that the client sees the upstream's own error.
 */
export type ChoiceReason =
  | TurnReason
  | SessionReason
  | 'active'
  | 'next_after_active'
  | 'file'
  | 'fail_open'
  | 'reserve'
  | 'lone_key';

/**
 * `session`: with the account it was with; `placed`: a session not seen before; `moved`: its account cannot serve;
 * `helped_out`: its account is busy for a moment and keeps the session. `file`: the account holds a file the request names.
 */
export type SessionReason = 'session' | 'placed' | 'moved' | 'helped_out';

/** The answer of a choice, with its reasons. */
export type Choice<C extends Candidate> = Chosen<C> | NotChosen;

export type Chosen<C extends Candidate> = {
  readonly candidate: C;
  /** Its place in the candidates. */
  readonly index: number;
  readonly why: ChoiceReason;
  readonly skipped: readonly AccountSkip[];
  /** Whether the session is with the chosen account from now on; not when its own is only busy for a moment. */
  readonly binds: boolean;
};

export type NotChosen = {
  readonly candidate: null;
  readonly skipped: readonly AccountSkip[];
  /** Epoch ms of the earliest known return. */
  readonly returnsAt: number | null;
};

export const NO_SKIPS: readonly AccountSkip[] = Object.freeze([]);

/** A choice that has to do with no session. */
export function unbound<C extends Candidate>(
  candidate: C,
  index: number,
  why: ChoiceReason,
  skipped: readonly AccountSkip[],
): Chosen<C> {
  return { candidate, index, why, skipped, binds: false };
}

export function notChosen(skipped: readonly AccountSkip[]): NotChosen {
  let returnsAt: number | null = null;
  for (const { until } of skipped) if (until !== null && (returnsAt === null || until < returnsAt)) returnsAt = until;
  return { candidate: null, skipped, returnsAt };
}
