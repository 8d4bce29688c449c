import { describe, expect, it } from 'vitest';
import { collect, json, KEY, openSimulator, post, readEvents } from './client.ts';

const REQUEST = { model: 'k3', max_tokens: 100, system: 'Be brief', messages: [{ role: 'user', content: 'Hello' }] };

describe('POST /messages', () => {
  it('answers in one piece', async () => {
    const simulator = await openSimulator();
    const response = await post(simulator, '/messages?beta=true', REQUEST);
    expect(await json(response)).toEqual({
      id: 'msg_a_1',
      type: 'message',
      role: 'assistant',
      model: 'k3',
      content: [{ type: 'text', text: 'Hello from account a, request 1.' }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: { input_tokens: 5, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 6 },
    });
  });

  it('streams the events in the order of the protocol, each named like its type', async () => {
    const simulator = await openSimulator();
    const events = await collect(readEvents(await post(simulator, '/messages', { ...REQUEST, stream: true })));
    expect(events.map(({ event }) => event)).toEqual([
      'message_start',
      'content_block_start',
      ...Array(6).fill('content_block_delta'),
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    const data = events.map((event) => JSON.parse(event.data));
    expect(data.map(({ type }) => type)).toEqual(events.map(({ event }) => event));
    expect(data[0].message).toMatchObject({ id: 'msg_a_1', role: 'assistant', content: [], usage: { input_tokens: 5 } });
    expect(data.map(({ delta }) => delta?.text ?? '').join('')).toBe('Hello from account a, request 1.');
    expect(data.at(-2)).toMatchObject({ delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 6 } });
  });

  it('puts reasoning into a thinking block of its own', async () => {
    const simulator = await openSimulator({ behaviour: { reasoningChunks: 2 } });
    const events = await collect(readEvents(await post(simulator, '/messages', { ...REQUEST, stream: true })));
    const data = events.map((event) => JSON.parse(event.data));
    const starts = data.filter(({ type }) => type === 'content_block_start');
    expect(starts.map(({ index, content_block }) => [index, content_block.type])).toEqual([
      [0, 'thinking'],
      [1, 'text'],
    ]);
    expect(data.filter(({ delta }) => delta?.type === 'thinking_delta')).toHaveLength(2);
    const whole = await json(await post(simulator, '/messages', REQUEST));
    expect(whole.content.map(({ type }: { type: string }) => type)).toEqual(['thinking', 'text']);
  });

  it('counts cached tokens beside the input, by metadata.user_id', async () => {
    const simulator = await openSimulator();
    const request = { ...REQUEST, metadata: { user_id: 'session-1' } };
    const first = await json(await post(simulator, '/messages', request));
    const second = await json(await post(simulator, '/messages', request));
    expect(first.usage).toMatchObject({ input_tokens: 5, cache_read_input_tokens: 0 });
    expect(second.usage).toMatchObject({ input_tokens: 0, cache_read_input_tokens: 5 });
    expect(simulator.account('a').books).toMatchObject({ inputTokens: 10, cachedTokens: 5, outputTokens: 12, served: 2 });
  });

  it('counts tokens without charging for it', async () => {
    const simulator = await openSimulator();
    expect(await json(await post(simulator, '/messages/count_tokens', REQUEST))).toEqual({ input_tokens: 5 });
    expect((await post(simulator, '/messages/count_tokens', 'x')).status).toBe(400);
    expect(simulator.account('a').books).toMatchObject({ served: 0, inputTokens: 0 });
  });

  it('takes the key from x-api-key as well', async () => {
    const simulator = await openSimulator();
    const headers = { 'x-api-key': KEY };
    const body = JSON.stringify(REQUEST);
    const messages = await fetch(`${simulator.baseUrl}/messages`, { method: 'POST', headers, body });
    expect(messages.status).toBe(200);
    const completions = await fetch(`${simulator.baseUrl}/chat/completions`, { method: 'POST', headers, body });
    expect(completions.status).toBe(401);
  });
});
