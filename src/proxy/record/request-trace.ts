import type { TokenUsage } from '../../core/tokens/token-usage.ts';
import type { TraceEvent, TriedKey } from '../../core/trace/trace-event.ts';
import { ClientLeft } from '../http/interruptions.ts';
import type { FailedAttempt } from '../pool/cooldowns.ts';
import type { ExchangeResult } from './exchange-result.ts';
import type { PromptSummary } from './request-summary.ts';

/** Skips listed in a trace line; with thousands of keys the line would drown in them. */
const SKIPS_MAX = 20;

/** Status the trace gives a request whose client left before an answer (nginx's convention). */
const CLIENT_LEFT_STATUS = 499;

export type TraceFacts = {
  readonly ts: string;
  readonly requestId: string;
  readonly method: string;
  readonly endpoint: string;
  readonly latencyMs: number;
  readonly rotationIndex: number;
  readonly prompt: PromptSummary;
  /** null where the answer stated none. */
  readonly usage: TokenUsage | null;
  readonly session: string | null;
  readonly dryRun: boolean;
};

/** The trace line of a request that asked for a key. */
export function traceOf(facts: TraceFacts, result: ExchangeResult): TraceEvent {
  const { entry, choice, failures, end } = result;
  const event: Mutable<TraceEvent> = {
    schema_version: 1,
    ts: facts.ts,
    request_id: facts.requestId,
    method: facts.method,
    endpoint: facts.endpoint,
    status: statusOf(end),
    latency_ms: Math.round(facts.latencyMs),
    key_label: entry?.key.label ?? '',
    key_hash: entry?.key.hash ?? '',
    rotation_index: facts.rotationIndex,
    error_code: errorCodeOf(end),
    prompt_hint: facts.prompt.hint,
    prompt_head: facts.prompt.head,
    choice: choice !== null && choice.candidate !== null ? choice.why : null,
  };
  if (end.kind === 'relay') event.verdict = end.verdict;
  const tried = failures.length === 0 ? failures : othersThan(entry, failures, end);
  if (tried.length > 0) event.tried = tried.map(triedKey);
  const skipped = (choice?.skipped ?? []).filter(({ reason }) => reason !== 'tried').slice(0, SKIPS_MAX);
  if (skipped.length > 0) event.skipped = skipped.map(({ label, reason }) => ({ key_label: label, reason }));
  if (facts.usage !== null) {
    event.input_tokens = facts.usage.input;
    event.cached_tokens = facts.usage.cached;
    event.output_tokens = facts.usage.output;
  }
  if (facts.session !== null) event.session = facts.session;
  if (facts.dryRun) event.dry_run = true;
  return event;
}

type Mutable<Type> = { -readonly [Field in keyof Type]: Type[Field] };

function triedKey({ entry, outcome }: FailedAttempt): TriedKey {
  return { key_label: entry.key.label, status: outcome.status, verdict: outcome.verdict };
}

/** The failed attempts but the one the client got the error of: the line itself is about that. */
function othersThan(entry: ExchangeResult['entry'], failures: ExchangeResult['failures'], end: ExchangeResult['end']) {
  if (end.kind !== 'relay' && end.kind !== 'unreachable') return failures;
  const last = failures.findLastIndex((failure) => failure.entry === entry);
  return failures.filter((_, index) => index !== last);
}

function statusOf(end: ExchangeResult['end']): number {
  switch (end.kind) {
    case 'served':
      return end.status;
    case 'relay':
      return end.answer.status;
    case 'no-key':
      return end.error.httpStatus;
    case 'unreachable':
      // The status the client got, so that trace and client agree.
      return end.error.httpStatus;
    case 'left':
      return CLIENT_LEFT_STATUS;
  }
}

function errorCodeOf(end: ExchangeResult['end']): TraceEvent['error_code'] {
  switch (end.kind) {
    case 'served':
      if (end.brokenBy === null) return null;
      return end.brokenBy instanceof ClientLeft ? 'client_left' : 'stream_broken';
    case 'relay':
      return end.verdict === 'unpaid' ? 'payment_required' : end.upstreamStatus;
    case 'no-key':
      return end.error.code;
    case 'unreachable':
      // The word that traces have always had for it.
      return end.error.code === 'upstream_unreachable' ? 'upstream_error' : end.error.code;
    case 'left':
      return 'client_left';
  }
}
