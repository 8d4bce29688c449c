import { oneLine } from '../../core/text/one-line.ts';
import { type TraceEvent, tokensOf } from '../../core/trace/trace-event.ts';
import type { Style } from '../ui/style.ts';
import { shortTokenText } from './token-text.ts';

/** Characters of a request id that are shown; `kmi why` finds a request by them. */
export const ID_SHOWN = 8;
const NOTE_MAX_CHARS = 200;
/** In place of a status. */
export const NO_ANSWER = 'no answer';

/** As the trace shows it. */
export function shortIdOf({ request_id }: Pick<TraceEvent, 'request_id'>): string {
  return request_id.slice(0, ID_SHOWN);
}

/** The clock time of "2026-02-02 12:00:00 +0300". */
export function timeOf({ ts }: TraceEvent): string {
  return /\d\d:\d\d:\d\d/.exec(ts)?.[0] ?? oneLine(ts, 8);
}

/** "840 ms", "12.3 s", "214 s": never more than seven characters below three hours. */
export function latencyOf({ latency_ms: ms }: TraceEvent): string {
  if (typeof ms !== 'number') return '';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 100_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`;
}

export function keyOf({ key_label: label }: Pick<TraceEvent, 'key_label'>): string {
  return label === '' ? '-' : oneLine(label, 80);
}

/** "12.3k/98%": the input tokens and the share of them that the prompt cache served. */
export function inputOf(event: TraceEvent): string {
  const tokens = tokensOf(event);
  if (tokens === null || tokens.input === 0) return '';
  return `${shortTokenText(tokens.input)}/${Math.floor((tokens.cached / tokens.input) * 100)}%`;
}

export function outputOf(event: TraceEvent): string {
  const tokens = tokensOf(event);
  return tokens === null ? '' : shortTokenText(tokens.output);
}

/** What is worth knowing beside the figures: keys tried before, what went wrong, the prompt's first words. */
export function noteOf(event: TraceEvent): string {
  const parts = (event.tried ?? []).map(({ key_label, status }) => `after ${key_label} ${status ?? `(${NO_ANSWER})`}`);
  if (typeof event.error_code === 'string') parts.push(event.error_code);
  if (typeof event.prompt_hint === 'string' && event.prompt_hint !== '') parts.push(event.prompt_hint);
  return oneLine(parts.join(', '), NOTE_MAX_CHARS);
}

/** The answer began well and broke off. */
export function isBroken({ error_code: error }: Pick<TraceEvent, 'error_code'>): boolean {
  return error === 'stream_broken';
}

/** Under 400 good, the upstream's or proxy's failure bad, everything else the caller's to look at. */
export function paintStatus(status: number, text: string, style: Style): string {
  if (status < 400) return style.good(text);
  return status >= 500 ? style.bad(text) : style.warn(text);
}
