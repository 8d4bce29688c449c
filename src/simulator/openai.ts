import type { Chat } from './chat.ts';

/**
 * The usage block: Kimi states cached tokens at the top level and in `prompt_tokens_details`
 * (docs/kimi-api.md#token-counts).
 */
function usageOf(chat: Chat) {
  const completionTokens = chat.content.length + chat.reasoning.length;
  return {
    prompt_tokens: chat.promptTokens,
    completion_tokens: completionTokens,
    total_tokens: chat.promptTokens + completionTokens,
    cached_tokens: chat.cachedTokens,
    prompt_tokens_details: { cached_tokens: chat.cachedTokens },
    ...(chat.statesReasoning ? { completion_tokens_details: { reasoning_tokens: chat.reasoning.length } } : {}),
  };
}

function idOf(chat: Chat): string {
  return `chatcmpl-${chat.account}-${chat.number}`;
}

/** The body of `POST /chat/completions` without `stream`. */
export function renderCompletion(chat: Chat): string {
  const reasoning = chat.reasoning.length === 0 ? {} : { reasoning_content: chat.reasoning.join('') };
  return JSON.stringify({
    id: idOf(chat),
    object: 'chat.completion',
    created: chat.created,
    model: chat.model,
    choices: [{ index: 0, message: { role: 'assistant', content: chat.content.join(''), ...reasoning }, finish_reason: 'stop' }],
    usage: usageOf(chat),
  });
}

/** The events of the same chat with `stream: true`, one string each: role, reasoning, content, finish, usage, `[DONE]`. */
export function renderCompletionStream(chat: Chat): string[] {
  const head = {
    id: idOf(chat),
    object: 'chat.completion.chunk',
    created: chat.created,
    model: chat.model,
  };
  const open = `data: ${JSON.stringify(head).slice(0, -1)},"choices":[{"index":0,"delta":`;
  const delta = (fields: object) => `${open}${JSON.stringify(fields)},"finish_reason":null}]}\n\n`;
  const events = [delta({ role: 'assistant', content: '' })];
  for (const piece of chat.reasoning) events.push(delta({ reasoning_content: piece }));
  for (const piece of chat.content) events.push(delta({ content: piece }));
  events.push(`${open}{},"finish_reason":"stop"}]}\n\n`);
  if (chat.includeUsage) events.push(`data: ${JSON.stringify({ ...head, choices: [], usage: usageOf(chat) })}\n\n`);
  events.push('data: [DONE]\n\n');
  return events;
}
