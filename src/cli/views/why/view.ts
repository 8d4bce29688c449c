import { type CandidateStory, explainRequest } from '../../../core/trace/explain.ts';
import { type TraceEvent, tokensOf } from '../../../core/trace/trace-event.ts';
import type { Style } from '../../ui/style.ts';
import { cutToWidth, displayWidth, padToWidth, wrapToWidth } from '../../ui/width.ts';
import { CHOICE_WORDS, VERDICT_WORDS, wordsFor } from '../../words/choice-words.ts';
import { skippedWords } from '../../words/reason-words.ts';
import { tokensInWords } from '../../words/token-text.ts';
import { isBroken, keyOf, latencyOf, NO_ANSWER, paintStatus } from '../../words/trace-text.ts';

/** Skips the proxy writes into one line of the trace. */
const SKIPS_RECORDED = 20;
const LABEL_MAX = 24;

/** How one request found its key, as lines of at most `width` columns. */
export function renderWhy(event: TraceEvent, { width, style }: { readonly width: number; readonly style: Style }): string[] {
  const stories = explainRequest(event);
  const lines = [
    style.strong(cutToWidth(printable(`Request ${event.request_id}`), width, '')),
    ...wrapToWidth(printable(headline(event)), width),
    ...wrapToWidth(printable(ending(event)), width).map((line) =>
      isBroken(event) ? style.bad(line) : paintStatus(event.status, line, style),
    ),
  ];
  if (event.prompt_hint) lines.push(...wrapToWidth(printable(`Prompt: ${event.prompt_hint}`), width).map(style.dim));
  const facts = factsOf(event);
  if (facts !== '') lines.push(...wrapToWidth(printable(facts), width).map(style.dim));
  if (stories.length > 0) lines.push('', ...renderStories(stories, width, style));
  if ((event.skipped?.length ?? 0) >= SKIPS_RECORDED) {
    lines.push(style.dim(`The trace names at most ${SKIPS_RECORDED} skipped keys.`));
  }
  return lines;
}

/** "Session 3f2a9c1d, 12,345 tokens in (98 % cached), 210 out"; empty when the trace says neither. */
function factsOf(event: TraceEvent): string {
  const tokens = tokensOf(event);
  const facts = [
    event.session === undefined ? '' : `session ${event.session}`,
    tokens === null ? '' : tokensInWords(tokens),
  ].filter((fact) => fact !== '');
  const text = facts.join(', ');
  return text === '' ? '' : `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

function headline(event: TraceEvent): string {
  return [
    `${event.method ?? ''} ${event.endpoint}`.trim(),
    event.ts,
    event.dry_run === true ? 'dry-run: nothing was sent upstream' : '',
  ]
    .filter((part) => part !== '')
    .join(', ');
}

/** Errors of the proxy itself by their code in the trace, as words. */
const ENDINGS: Readonly<Record<string, string>> = {
  no_keys: 'The proxy had no keys',
  no_eligible_key: 'No key could serve',
  rate_limited: 'Every key was at its own rate limit',
  upstream_error: 'The upstream could not be reached',
  upstream_timeout: 'The upstream did not answer in time',
  body_too_large: 'The request was larger than the proxy takes',
};

function ending(event: TraceEvent): string {
  const { status, error_code: code } = event;
  const took = latencyOf(event);
  if (code === 'client_left') return `The client left after ${took}, before the answer was complete (${status}).`;
  if (code === 'stream_broken') return `Answered ${status} by ${keyOf(event)}, but the answer broke off after ${took}.`;
  const own = typeof code === 'string' && Object.hasOwn(ENDINGS, code) ? ENDINGS[code] : undefined;
  if (own !== undefined) return `${own}: the client got ${status} after ${took}.`;
  // A code in words is the proxy's own, but for this one.
  const isOwn = typeof code === 'string' && code !== 'payment_required';
  return isOwn || event.key_label === ''
    ? `The client got ${status} after ${took}.`
    : `Answered ${status} by ${keyOf(event)} after ${took}.`;
}

function renderStories(stories: readonly CandidateStory[], width: number, style: Style): string[] {
  const labels = stories.map(({ key }) => cutToWidth(keyOf({ key_label: key }), LABEL_MAX, style.isPlain ? '...' : '…'));
  const labelWidth = Math.max(...labels.map(displayWidth));
  const indent = labelWidth + 2 + OUTCOME_WIDTH + 2;
  return stories.flatMap((story, n) =>
    wrapToWidth(printable(storyText(story)), Math.max(width - indent, 16)).map((line, at) =>
      at === 0
        ? `${padToWidth(labels[n] as string, labelWidth)}  ${paintOutcome(story, padToWidth(story.outcome, OUTCOME_WIDTH), style)}  ${line}`
        : `${' '.repeat(indent)}${line}`,
    ),
  );
}

const OUTCOME_WIDTH = 'skipped'.length;

function paintOutcome(story: CandidateStory, text: string, style: Style): string {
  switch (story.outcome) {
    case 'chosen':
      return paintStatus(story.status, text, style);
    case 'tried':
      return style.warn(text);
    case 'skipped':
      return style.dim(text);
  }
}

/** What became of the key, in words. */
export function storyText(story: CandidateStory): string {
  switch (story.outcome) {
    case 'chosen':
      return `${story.status}${story.verdict === null ? '' : `: ${wordsFor(VERDICT_WORDS, story.verdict)}`}${chosenFor(story)}`;
    case 'tried': {
      const what = `${story.status ?? NO_ANSWER}: ${wordsFor(VERDICT_WORDS, story.verdict)}`;
      return story.isLast ? `${what}; no further key, so the client got this` : what;
    }
    case 'skipped':
      return skippedWords(story.reason) ?? story.reason;
  }
}

function chosenFor({ reason, verdict }: Extract<CandidateStory, { outcome: 'chosen' }>): string {
  if (reason === null) return '';
  const words = wordsFor(CHOICE_WORDS, reason);
  return verdict === null ? `, ${words}` : `. Chosen: ${words}`;
}

function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}]/gu, '?');
}
