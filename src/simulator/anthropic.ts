import type { Chat } from './chat.ts';

/** Anthropic counts cached tokens beside `input_tokens`, not inside. */
function usageOf(chat: Chat, outputTokens: number) {
  return {
    input_tokens: chat.promptTokens - chat.cachedTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: chat.cachedTokens,
    output_tokens: outputTokens,
  };
}

function messageOf(chat: Chat, rest: { content: object[]; stop_reason: string | null; usage: object }) {
  return {
    id: `msg_${chat.account}_${chat.number}`,
    type: 'message',
    role: 'assistant',
    model: chat.model,
    content: rest.content,
    stop_reason: rest.stop_reason,
    stop_sequence: null,
    usage: rest.usage,
  };
}

const SIGNATURE = 'c2ltdWxhdGVk';

/** The body of `POST /messages` without `stream`. */
export function renderMessage(chat: Chat): string {
  const content: object[] = [];
  if (chat.reasoning.length > 0) content.push({ type: 'thinking', thinking: chat.reasoning.join(''), signature: SIGNATURE });
  content.push({ type: 'text', text: chat.content.join('') });
  const usage = usageOf(chat, chat.content.length + chat.reasoning.length);
  return JSON.stringify(messageOf(chat, { content, stop_reason: 'end_turn', usage }));
}

/** The events of the same message with `stream: true`, one string each. */
export function renderMessageStream(chat: Chat): string[] {
  const message = messageOf(chat, { content: [], stop_reason: null, usage: usageOf(chat, 0) });
  const events = [event('message_start', { message })];
  let index = 0;
  if (chat.reasoning.length > 0) {
    const deltas = chat.reasoning.map((thinking) => ({ type: 'thinking_delta', thinking }));
    const closing = { type: 'signature_delta', signature: SIGNATURE };
    events.push(...block(index, { type: 'thinking', thinking: '', signature: '' }, [...deltas, closing]));
    index += 1;
  }
  const deltas = chat.content.map((text) => ({ type: 'text_delta', text }));
  events.push(...block(index, { type: 'text', text: '' }, deltas));
  const usage = usageOf(chat, chat.content.length + chat.reasoning.length);
  events.push(event('message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage }));
  events.push(event('message_stop', {}));
  return events;
}

function block(index: number, start: object, deltas: readonly object[]): string[] {
  return [
    event('content_block_start', { index, content_block: start }),
    ...deltas.map((delta) => event('content_block_delta', { index, delta })),
    event('content_block_stop', { index }),
  ];
}

function event(type: string, fields: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
}
