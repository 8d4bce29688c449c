import { recentErrorRate } from '../keys/key-state.ts';
import type { Eligibility, KeyStatus } from '../keys/key-status.ts';
import { readingAt } from '../quota/key-health.ts';
import { type Candidate, eligibilityOf, statusAt } from './eligibility.ts';
import type { Skip } from './why-not.ts';

/** What set the winner apart, as data; the words are the printers'. */
export type ManualReason =
  | { readonly kind: 'only_eligible' }
  | { readonly kind: 'tie_moved'; readonly tied: number }
  | { readonly kind: 'tie_stayed'; readonly tied: number }
  | { readonly kind: 'better_status'; readonly status: KeyStatus; readonly other: KeyStatus }
  | { readonly kind: 'more_quota'; readonly share: number | null; readonly other: number | null }
  | { readonly kind: 'lower_error_rate'; readonly rate: number; readonly other: number };

export type ManualChoice<C extends Candidate> =
  | {
      readonly candidate: C;
      readonly index: number;
      readonly moved: boolean;
      readonly reason: ManualReason;
      /** The key the winner was compared with: the current one, or the runner-up when that stays or cannot serve. */
      readonly rival: C | null;
      readonly skipped: readonly Skip[];
    }
  | { readonly candidate: null; readonly skipped: readonly Skip[] };

/** Only keys that are ready are ranked, so the last four never meet. */
const STATUS_RANK: Readonly<Record<KeyStatus, number>> = {
  healthy: 0,
  ready: 1,
  warn: 1,
  cooldown: 2,
  empty: 2,
  blocked: 2,
  disabled: 2,
};

type Ranked<C> = {
  readonly candidate: C;
  readonly index: number;
  readonly status: KeyStatus;
  readonly share: number | null;
  readonly rate: number;
};

/**
 * The eligible key with the most quota left (docs/kmi-manager.md#manual-rotation): by status, then share left (unknown last),
 * then the errors of the last minutes. Among equals the current key stays, or with `rotateOnTie` the next of them after
 * it takes over.
 */
export function pickManual<C extends Candidate>(
  candidates: readonly C[],
  activeIndex: number,
  { now, rotateOnTie }: { readonly now: number; readonly rotateOnTie: boolean },
): ManualChoice<C> {
  const eligible: Ranked<C>[] = [];
  const skipped: Skip[] = [];
  for (const [index, candidate] of candidates.entries()) {
    const eligibility = eligibilityOf(candidate, now);
    if (eligibility.is === 'ready') eligible.push(rank(candidate, index, eligibility, now));
    else skipped.push({ label: candidate.key.label, reason: eligibility.reason, until: eligibility.until });
  }
  eligible.sort((a, b) => compare(a, b) || a.index - b.index);
  const [best] = eligible;
  if (best === undefined) return { candidate: null, skipped };

  const tied = eligible.filter((other) => compare(best, other) === 0);
  const current = eligible.find(({ index }) => index === activeIndex) ?? null;
  const currentIsBest = current !== null && tied.includes(current);
  if (currentIsBest && (tied.length === 1 || !rotateOnTie)) {
    const rival = eligible.find((other) => other !== current) ?? null;
    const reason = tied.length > 1 ? ({ kind: 'tie_stayed', tied: tied.length } as const) : difference(current, rival);
    return { candidate: current.candidate, index: current.index, moved: false, reason, rival: rival?.candidate ?? null, skipped };
  }
  const winner = currentIsBest ? nextAfter(tied, activeIndex) : best;
  const rival = current ?? eligible.find((other) => other !== winner) ?? null;
  const isTie = tied.length > 1 && (currentIsBest || current === null);
  const reason = isTie ? ({ kind: 'tie_moved', tied: tied.length } as const) : difference(winner, rival);
  return {
    candidate: winner.candidate,
    index: winner.index,
    moved: winner.index !== activeIndex,
    reason,
    rival: rival?.candidate ?? null,
    skipped,
  };
}

function rank<C extends Candidate>(candidate: C, index: number, eligibility: Eligibility, now: number): Ranked<C> {
  const reading = candidate.health === null ? null : readingAt(candidate.health, now);
  return {
    candidate,
    index,
    status: statusAt(candidate, eligibility, now),
    share: reading?.usage?.remainingShare ?? null,
    rate: recentErrorRate(candidate.state, now),
  };
}

function compare(a: Ranked<unknown>, b: Ranked<unknown>): number {
  return STATUS_RANK[a.status] - STATUS_RANK[b.status] || (b.share ?? -1) - (a.share ?? -1) || a.rate - b.rate;
}

function nextAfter<C>(tied: readonly Ranked<C>[], activeIndex: number): Ranked<C> {
  const inOrder = [...tied].sort((a, b) => a.index - b.index);
  return inOrder.find(({ index }) => index > activeIndex) ?? (inOrder[0] as Ranked<C>);
}

function difference(winner: Ranked<unknown>, rival: Ranked<unknown> | null): ManualReason {
  if (rival === null) return { kind: 'only_eligible' };
  if (STATUS_RANK[winner.status] !== STATUS_RANK[rival.status])
    return { kind: 'better_status', status: winner.status, other: rival.status };
  if (winner.share !== rival.share) return { kind: 'more_quota', share: winner.share, other: rival.share };
  return { kind: 'lower_error_rate', rate: winner.rate, other: rival.rate };
}
