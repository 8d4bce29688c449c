import { oneLine } from '../../../core/text/one-line.ts';
import { redact } from '../../../core/text/redact.ts';
import { explainRequest } from '../../../core/trace/explain.ts';
import { type TraceEvent, tokensOf } from '../../../core/trace/trace-event.ts';
import { KmiError, reasonOf } from '../../../errors.ts';
import { findRequests } from '../../../trace/find.ts';
import { readLastEvents } from '../../../trace/trace-reader.ts';
import { tracePath } from '../../../trace/writer.ts';
import type { Command } from '../../command/context.ts';
import { sayMode } from '../../command/say-mode.ts';
import { ID_SHOWN } from '../../words/trace-text.ts';
import { renderWhy, storyText } from './view.ts';

type Options = { readonly args: readonly string[]; readonly json?: boolean };

const PREFIX_MIN = 6;
/** Matches that are named when a prefix fits several. */
const MATCHES_MAX = 5;

/** `kmi why [request]`: how one request, the last one unless another is named, found its key. */
export const run: Command<Options> = async (context, { args, json }) => {
  const { config, out, style, width } = context;
  const event = await findRequest(tracePath(config.stateDir), args[0] ?? 'last');
  if (json === true) out(JSON.stringify(explanation(event)));
  else {
    sayMode(context);
    for (const line of renderWhy(event, { width, style })) out(line);
  }
  return 0;
};

async function findRequest(path: string, wanted: string): Promise<TraceEvent> {
  try {
    return wanted === 'last' ? await lastRequest(path) : await requestById(path, wanted);
  } catch (error) {
    if (error instanceof KmiError) throw error;
    throw new KmiError('state_unusable', `The trace ${path} cannot be read (${reasonOf(error)}).`, { cause: error });
  }
}

async function lastRequest(path: string): Promise<TraceEvent> {
  const [event] = await readLastEvents(path, 1);
  if (event !== undefined) return event;
  throw new KmiError('not_found', 'The trace is empty: no request has been served yet.', {
    hint: `The proxy writes it to ${path}; see \`kmi status\` for whether it runs.`,
  });
}

async function requestById(path: string, wanted: string): Promise<TraceEvent> {
  if (wanted.length < PREFIX_MIN) {
    throw new KmiError('bad_usage', `"${wanted}" is too short: a request id needs its first ${PREFIX_MIN} characters or more.`, {
      hint: 'See `kmi trace --last 20` for ids, or ask for `last`.',
    });
  }
  const found = await findRequests(path, wanted, MATCHES_MAX);
  const exact = found.find(({ request_id }) => request_id === wanted) ?? (found.length === 1 ? found[0] : undefined);
  if (exact !== undefined) return exact;
  if (found.length === 0) {
    throw new KmiError('not_found', `No request in the trace begins with "${redact(wanted, []).slice(0, 80)}".`, {
      hint: `See \`kmi trace --last 20\` for ids (their first ${ID_SHOWN} characters); older ones are gone when the trace has rotated.`,
    });
  }
  throw new KmiError(
    'bad_usage',
    `"${wanted}" is the beginning of several ids. The newest are:\n${found.map(named).join('\n')}`,
    { hint: 'Give more of the id.' },
  );
}

/** An id with what tells its request from the others. */
function named({ request_id, ts, status, key_label }: TraceEvent): string {
  return `  ${oneLine(`${request_id}, ${ts}, ${status} ${key_label}`, 200)}`;
}

function explanation(event: TraceEvent): Record<string, unknown> {
  const tokens = tokensOf(event);
  return {
    request_id: event.request_id,
    ts: event.ts,
    method: event.method,
    endpoint: event.endpoint,
    status: event.status,
    error_code: event.error_code,
    latency_ms: event.latency_ms,
    dry_run: event.dry_run === true,
    prompt_hint: event.prompt_hint,
    key_label: event.key_label === '' ? null : event.key_label,
    session: event.session ?? null,
    input_tokens: tokens?.input ?? null,
    cached_tokens: tokens?.cached ?? null,
    output_tokens: tokens?.output ?? null,
    choice: event.choice ?? null,
    candidates: explainRequest(event).map((story) => ({
      key_label: story.key,
      outcome: story.outcome,
      status: story.outcome === 'skipped' ? null : story.status,
      verdict: story.outcome === 'skipped' ? null : story.verdict,
      reason: story.outcome === 'tried' ? null : story.reason,
      text: storyText(story),
    })),
  };
}
