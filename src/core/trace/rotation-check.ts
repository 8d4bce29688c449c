import { STRATEGY_FACTS, type TurnTaker } from '../choosing/strategy.ts';
import { isAsFairAsPossible, isAsFairAsWeighed } from './fairness.ts';
import type { TraceEvent } from './trace-event.ts';
import { type Distribution, distributionOf, EVEN } from './trace-stats.ts';

/** How one request of the check ended for its sender: a status, or why there was none. */
export type CheckAnswer = { readonly status: number } | { readonly error: string };

/** A key that did not take part in full, and the reasons the trace gives. */
export type PassedOver = { readonly key: string; readonly reasons: readonly string[] };

export type RotationCheck = {
  readonly sent: number;
  readonly answered: number;
  /** What went wrong and how often: a status or the reason there was none. Most first. */
  readonly failures: readonly (readonly [what: string, count: number])[];
  /** Requests found in the trace. */
  readonly traced: number;
  /** Who takes turns, by the trace; `nobody` with auto-rotation off; null: it does not say. */
  readonly turns: TurnTaker | 'nobody' | null;
  /** Every request that reached a key. */
  readonly distribution: Distribution;
  /** Of those, the newest that were judged. */
  readonly judged: number;
  /** 0 to 100, over those who took part in full; null when there is nothing to judge. */
  readonly confidence: number | null;
  readonly isEven: boolean;
  /** The one key that could serve from the first request to the last, or a key of the one account; null: there were several, or none. */
  readonly sole: string | null;
  readonly passedOver: readonly PassedOver[];
};

export type RotationQuestion = {
  readonly answers: readonly CheckAnswer[];
  readonly events: readonly TraceEvent[];
  /** Labels that could serve when it began, so that one that got nothing counts. */
  readonly ready: readonly string[];
  /** The account of a key, where that is known. */
  readonly accountOf: ReadonlyMap<string, string>;
  /** The weight of an account, or of a key whose account is not known; 1 for one that is missing. */
  readonly weightOf?: ReadonlyMap<string, number>;
  /** Newest requests over which confidence is taken; null: all. */
  readonly window: number | null;
  readonly minConfidence: number;
};

/**
 * What a row of requests says of the rotation. The trace says what the strategy in force promises them: that each key gets
 * its turn or, since these requests have no session, each account. A key that was passed over or failed on the way is left
 * out of the confidence: it had no full share to get, and the walk is even among the others.
 */
export function judgeRotation(question: RotationQuestion): RotationCheck {
  const { answers, events, ready, accountOf, window, minConfidence } = question;
  const turns = turnsIn(events);
  const labels = events.map(({ key_label }) => key_label).filter((label) => label !== '');
  const judgedEvents = events.filter(({ key_label }) => key_label !== '').slice(window === null ? 0 : -window);
  const taker =
    turns === 'accounts' || turns === 'weights' ? (label: string) => accountOf.get(label) ?? label : (label: string) => label;
  const weightOf = turns === 'weights' ? (each: string) => question.weightOf?.get(each) ?? 1 : EVEN;
  const passedOver = passedOverIn(judgedEvents);
  const excluded = new Set(passedOver.map(({ key }) => taker(key)));
  const takersOf = (all: readonly string[]) => all.map(taker).filter((each) => !excluded.has(each));
  const full = distributionOf(takersOf(judgedEvents.map(({ key_label }) => key_label)), takersOf(ready), weightOf);
  const isSole = turns !== 'nobody' && full.counts.length === 1;
  const isJudged = turns !== 'nobody' && full.total > 0 && !isSole;
  const isFair = turns === 'weights' ? isAsFairAsWeighed(full, weightOf) : isAsFairAsPossible(full);
  const failures = countFailures(answers);
  return {
    sent: answers.length,
    answered: answers.length - failures.reduce((sum, [, count]) => sum + count, 0),
    failures,
    traced: events.length,
    turns,
    distribution: distributionOf(labels, turns === 'nobody' ? [] : firstOfEach(ready, taker)),
    judged: judgedEvents.length,
    confidence: isJudged ? full.confidence : null,
    isEven: isJudged && (full.confidence >= minConfidence || isFair),
    sole: isSole ? ([...labels, ...ready].find((label) => taker(label) === full.counts[0]?.[0]) ?? null) : null,
    passedOver,
  };
}

function turnsIn(events: readonly TraceEvent[]): RotationCheck['turns'] {
  for (const { turn, turnsOf } of Object.values(STRATEGY_FACTS)) if (events.some(({ choice }) => choice === turn)) return turnsOf;
  return events.some(({ choice }) => choice === 'active' || choice === 'next_after_active') ? 'nobody' : null;
}

/** One label of each that takes turns: of an account with two keys the first serves. */
function firstOfEach(labels: readonly string[], taker: (label: string) => string): readonly string[] {
  const seen = new Set<string>();
  return labels.filter((label) => {
    const isFirst = !seen.has(taker(label));
    seen.add(taker(label));
    return isFirst;
  });
}

function passedOverIn(events: readonly TraceEvent[]): PassedOver[] {
  const reasons = new Map<string, Set<string>>();
  const note = (label: string, reason: string) => reasons.set(label, (reasons.get(label) ?? new Set()).add(reason));
  for (const { skipped = [], tried = [] } of events) {
    for (const { key_label, reason } of skipped) note(key_label, reason);
    for (const { key_label, verdict } of tried) note(key_label, verdict);
  }
  return [...reasons].map(([key, found]) => ({ key, reasons: [...found] })).sort((a, b) => (a.key < b.key ? -1 : 1));
}

function countFailures(answers: readonly CheckAnswer[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const answer of answers) {
    const what = 'error' in answer ? answer.error : answer.status >= 400 ? `HTTP ${answer.status}` : null;
    if (what !== null) counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a);
}

/** Whether the check passes: every request answered and, where several take turns, the shares even. */
export function hasPassed(check: RotationCheck): boolean {
  if (check.answered < check.sent || check.traced === 0) return false;
  return check.turns === 'nobody' || check.sole !== null || check.isEven;
}
