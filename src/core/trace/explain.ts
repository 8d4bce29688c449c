import type { AccountSkipReason } from '../choosing/account-pool.ts';
import type { ChoiceReason } from '../choosing/choice.ts';
import type { VerdictClass } from '../verdicts/verdict.ts';
import type { TraceEvent } from './trace-event.ts';

/** A reason as a trace file gives it: known here, or of another version. */
export type Told<Reason extends string> = Reason | (string & {});

/** What became of one key in one request. */
export type CandidateStory =
  /** Passed over when the last choice was made. */
  | { readonly outcome: 'skipped'; readonly key: string; readonly reason: Told<AccountSkipReason> }
  /** Refused or failed, so that the request went on, or ended there when `isLast`. */
  | {
      readonly outcome: 'tried';
      readonly key: string;
      /** Null when no answer came. */
      readonly status: number | null;
      readonly verdict: Told<VerdictClass>;
      readonly isLast: boolean;
    }
  /** Its answer is the client's. `reason` is null when the trace does not say why it was chosen. */
  | {
      readonly outcome: 'chosen';
      readonly key: string;
      readonly status: number;
      readonly reason: Told<ChoiceReason> | null;
      /** What its error says; null when it is none, or the trace does not say. */
      readonly verdict: Told<VerdictClass> | null;
    };

/**
 * The keys of one request in the order of what happened: those tried, the one whose answer the client got, those passed
 * over. When every key failed, the client got the last one's answer or the proxy's own error, and none is `chosen`.
 */
export function explainRequest(event: TraceEvent): readonly CandidateStory[] {
  const tried = event.tried ?? [];
  const skipped = (event.skipped ?? []).map(
    ({ key_label, reason }): CandidateStory => ({ outcome: 'skipped', key: key_label, reason }),
  );
  const last = tried.at(-1);
  const endedThere = last !== undefined && event.status >= 400 && tried.some(({ key_label }) => key_label === event.key_label);
  const stories = tried.map(
    ({ key_label, status, verdict }): CandidateStory => ({
      outcome: 'tried',
      key: key_label,
      status,
      verdict,
      isLast: endedThere && key_label === event.key_label,
    }),
  );
  if (event.key_label !== '' && !endedThere) {
    const { key_label: key, status, choice: reason, verdict = null } = event;
    stories.push({ outcome: 'chosen', key, status, reason, verdict });
  }
  return [...stories, ...skipped];
}
