import type { Chat } from './chat.ts';

/** The usage block: cached tokens are part of `input_tokens`, reasoning of `output_tokens`. */
function usageOf(chat: Chat) {
  const outputTokens = chat.content.length + chat.reasoning.length;
  return {
    input_tokens: chat.promptTokens,
    input_tokens_details: { cached_tokens: chat.cachedTokens },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: chat.reasoning.length },
    total_tokens: chat.promptTokens + outputTokens,
  };
}

function responseOf(chat: Chat, status: 'in_progress' | 'completed', output: readonly object[]) {
  return {
    id: `resp_${chat.account}_${chat.number}`,
    object: 'response',
    created_at: chat.created,
    status,
    error: null,
    incomplete_details: null,
    instructions: null,
    metadata: {},
    model: chat.model,
    output,
    parallel_tool_calls: true,
    store: false,
    tool_choice: 'auto',
    tools: [],
    usage: status === 'completed' ? usageOf(chat) : null,
  };
}

/** Reasoning comes as a summary; the rest of it is encrypted upstream, and here is none. */
function reasoningOf(chat: Chat, text: string) {
  const summary = text === '' ? [] : [{ type: 'summary_text', text }];
  return { id: `rs_${chat.account}_${chat.number}`, type: 'reasoning', summary };
}

function messageOf(chat: Chat, status: 'in_progress' | 'completed', content: readonly object[]) {
  return { id: `msg_${chat.account}_${chat.number}`, type: 'message', role: 'assistant', status, content };
}

function partOf(text: string) {
  return { type: 'output_text', text, annotations: [] };
}

function outputOf(chat: Chat): object[] {
  const message = messageOf(chat, 'completed', [partOf(chat.content.join(''))]);
  return chat.reasoning.length === 0 ? [message] : [reasoningOf(chat, chat.reasoning.join('')), message];
}

/** The body of `POST /responses` without `stream`. */
export function renderResponse(chat: Chat): string {
  return JSON.stringify(responseOf(chat, 'completed', outputOf(chat)));
}

/** The events of the same response with `stream: true`, one string each. An item is announced before its parts, as clients want it. */
export function renderResponseStream(chat: Chat): string[] {
  const events: string[] = [];
  const say = (type: string, fields: object) => {
    events.push(`event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: events.length, ...fields })}\n\n`);
  };
  const started = responseOf(chat, 'in_progress', []);
  say('response.created', { response: started });
  say('response.in_progress', { response: started });
  const output = outputOf(chat);
  if (chat.reasoning.length > 0) {
    say('response.output_item.added', { output_index: 0, item: reasoningOf(chat, '') });
    say('response.output_item.done', { output_index: 0, item: output[0] });
  }
  const place = { output_index: output.length - 1, item_id: messageOf(chat, 'completed', []).id, content_index: 0 };
  const text = chat.content.join('');
  say('response.output_item.added', { output_index: place.output_index, item: messageOf(chat, 'in_progress', []) });
  say('response.content_part.added', { ...place, part: partOf('') });
  for (const delta of chat.content) say('response.output_text.delta', { ...place, delta, logprobs: [] });
  say('response.output_text.done', { ...place, text, logprobs: [] });
  say('response.content_part.done', { ...place, part: partOf(text) });
  say('response.output_item.done', { output_index: place.output_index, item: output.at(-1) });
  say('response.completed', { response: responseOf(chat, 'completed', output) });
  return events;
}
