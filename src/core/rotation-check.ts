import { isAsEvenAsCanBe } from './evenness.ts';
import type { TraceEvent } from './trace-event.ts';
import { type Distribution, distributionOf } from './trace-stats.ts';

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
  /** What the trace says of the mode; null when it says nothing. */
  readonly isDryRun: boolean | null;
  /** Whether the trace shows auto-rotation: turns of keys, or of accounts; null when it shows neither mode. */
  readonly isRotating: boolean | null;
  /** All keys of the window. */
  readonly distribution: Distribution;
  /** 0 to 100, over the keys that took part in full; null when there is nothing to judge. */
  readonly confidence: number | null;
  readonly isEven: boolean;
  readonly passedOver: readonly PassedOver[];
};

/**
 * What a row of requests says of the rotation. `ready` are the labels that could serve when it began, so that one that
 * got nothing counts; where accounts take turns, one label an account. A key that was passed over or failed on the way is left out of the confidence: it had no full share
 * to get, and the walk is even among the others.
 */
export function judgeRotation({
  answers,
  events,
  ready,
  window,
  minConfidence,
}: {
  readonly answers: readonly CheckAnswer[];
  readonly events: readonly TraceEvent[];
  readonly ready: readonly string[];
  readonly window: number;
  readonly minConfidence: number;
}): RotationCheck {
  const served = events.filter(({ key_label }) => key_label !== '').slice(-window);
  const labels = served.map(({ key_label }) => key_label);
  const passedOver = passedOverIn(served);
  const excluded = new Set(passedOver.map(({ key }) => key));
  const isRotating = rotatingIn(events);
  const fullShare = distributionOf(
    labels.filter((label) => !excluded.has(label)),
    ready.filter((label) => !excluded.has(label)),
  );
  const isJudged = isRotating !== false && fullShare.total > 0;
  const failures = countFailures(answers);
  return {
    sent: answers.length,
    answered: answers.length - failures.reduce((sum, [, count]) => sum + count, 0),
    failures,
    traced: events.length,
    isDryRun: events.length === 0 ? null : events.some(({ dry_run }) => dry_run === true),
    isRotating,
    distribution: distributionOf(labels, isRotating === false ? [] : ready),
    confidence: isJudged ? fullShare.confidence : null,
    isEven: isJudged && (fullShare.confidence >= minConfidence || isAsEvenAsCanBe(fullShare)),
    passedOver,
  };
}

function rotatingIn(events: readonly TraceEvent[]): boolean | null {
  if (events.some(({ choice }) => choice === 'round_robin' || choice === 'dealt')) return true;
  return events.some(({ choice }) => choice === 'active' || choice === 'next_after_active') ? false : null;
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

/** Whether the check passes: every request answered and, where auto-rotation is on, the shares even. */
export function hasPassed(check: RotationCheck): boolean {
  if (check.answered < check.sent || check.traced === 0) return false;
  return check.isRotating === false || check.isEven;
}
