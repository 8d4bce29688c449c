import { describe, expect, it } from 'vitest';
import { chat, collect, exchange, json, openSimulator, readEvents } from './client.ts';

const USAGE = {
  prompt_tokens: 2,
  completion_tokens: 6,
  total_tokens: 8,
  cached_tokens: 0,
  prompt_tokens_details: { cached_tokens: 0 },
};

describe('POST /chat/completions', () => {
  it('answers in one piece with everything an OpenAI client reads', async () => {
    const simulator = await openSimulator({ clock: () => 1_790_000_000_500 });
    const response = await chat(simulator);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    const body = await response.text();
    expect(response.headers.get('content-length')).toBe(String(Buffer.byteLength(body)));
    expect(JSON.parse(body)).toEqual({
      id: 'chatcmpl-a-1',
      object: 'chat.completion',
      created: 1_790_000_000,
      model: 'k3',
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hello from account a, request 1.' }, finish_reason: 'stop' }],
      usage: USAGE,
    });
  });

  it('counts the answers of each account by itself', async () => {
    const simulator = await openSimulator();
    simulator.addAccount({ name: 'b', keys: ['sk-b'] });
    await chat(simulator);
    const texts = [await json(await chat(simulator)), await json(await chat(simulator, {}, { key: 'sk-b' }))];
    expect(texts.map((body) => body.choices[0].message.content)).toEqual([
      'Hello from account a, request 2.',
      'Hello from account b, request 1.',
    ]);
  });

  it('streams role, content, finish, usage and [DONE] to a plain fetch', async () => {
    const simulator = await openSimulator();
    const response = await chat(simulator, { stream: true, stream_options: { include_usage: true } });
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const events = (await collect(readEvents(response))).map(({ data }) => data);
    expect(events.at(-1)).toBe('[DONE]');
    const chunks = events.slice(0, -1).map((data) => JSON.parse(data));
    for (const chunk of chunks) {
      expect(chunk).toMatchObject({
        id: 'chatcmpl-a-1',
        object: 'chat.completion.chunk',
        model: 'k3',
        created: expect.any(Number),
      });
    }
    expect(chunks[0].choices).toEqual([{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }]);
    const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
    expect(text).toBe('Hello from account a, request 1.');
    expect(chunks.at(-2).choices).toEqual([{ index: 0, delta: {}, finish_reason: 'stop' }]);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: USAGE });
    expect(chunks.slice(0, -1).every((chunk) => !('usage' in chunk))).toBe(true);
  });

  it('leaves the usage chunk out when the client did not ask for it', async () => {
    const simulator = await openSimulator();
    const events = await collect(readEvents(await chat(simulator, { stream: true })));
    expect(events.some(({ data }) => data.includes('usage'))).toBe(false);
    expect(events).toHaveLength(1 + 6 + 1 + 1);
  });

  it('sends as many content and reasoning deltas as told, reasoning first', async () => {
    const simulator = await openSimulator({ behaviour: { chunks: 20, reasoningChunks: 3 } });
    const events = await collect(readEvents(await chat(simulator, { stream: true })));
    const deltas = events.slice(0, -1).map(({ data }) => JSON.parse(data).choices[0].delta);
    const kinds = deltas.map((delta) => ('reasoning_content' in delta ? 'r' : delta.content ? 'c' : '-')).join('');
    expect(kinds).toBe(`-rrr${'c'.repeat(20)}-`);
    const whole = await json(await chat(simulator));
    expect(whole.choices[0].message.reasoning_content).toBe('Account a thinks');
    expect(whole.usage.completion_tokens).toBe(23);
    expect(simulator.account('a').books.outputTokens).toBe(46);
  });

  it('refuses a body that is not a JSON object', async () => {
    const simulator = await openSimulator();
    for (const body of ['', 'not json', '[]', 'null']) {
      const response = await exchange(`${simulator.baseUrl}/chat/completions`, { body });
      expect(response.status).toBe(400);
    }
    expect(simulator.account('a').accepted).toBe(0);
  });

  it('sends two cookies and a trace id on every answer, also a refusal', async () => {
    const simulator = await openSimulator();
    simulator.account('a').fail('internal', { times: 1 });
    for (const stream of [false, true, false]) {
      const response = await chat(simulator, { stream });
      await response.text();
      expect(response.headers.getSetCookie()).toHaveLength(2);
      expect(response.headers.get('x-trace-id')).toMatch(/^sim-\d+$/);
    }
  });

  it('waits before the headers, before the first byte and between chunks', async () => {
    const simulator = await openSimulator({
      behaviour: { latencyMs: 60, firstByteDelayMs: 60, chunkPauseMs: 20, chunks: 4 },
    });
    const start = performance.now();
    const response = await chat(simulator, { stream: true });
    const headersAfterMs = performance.now() - start;
    const times: number[] = [];
    for await (const _ of readEvents(response)) times.push(performance.now() - start);
    // Timers may fire a millisecond early against another clock.
    expect(headersAfterMs).toBeGreaterThanOrEqual(58);
    // From the start: what is seen late on a busy machine would make the gaps shorter.
    expect(times[0]).toBeGreaterThanOrEqual(116);
    expect(times.at(-1)).toBeGreaterThanOrEqual(210);
  });

  it('refuses a body over the message limit with its size', async () => {
    const simulator = await openSimulator({ behaviour: { messageLimitBytes: 100 } });
    const response = await chat(simulator, { messages: [{ role: 'user', content: 'x'.repeat(200) }] });
    expect(response.status).toBe(400);
    expect((await json(response)).error.message).toMatch(/total message size \d+ exceeds limit 100$/);
  });

  it('sends the body back byte for byte as an echo', async () => {
    const simulator = await openSimulator({ behaviour: { echo: true } });
    const body = ' {"a" : 1.0, "ü":"\\u00fc"}\n';
    expect(await (await chat(simulator)).json()).toMatchObject({ model: 'k3' });
    const { chunks } = await exchange(`${simulator.baseUrl}/chat/completions`, { body });
    expect(Buffer.concat(chunks).toString()).toBe(body);
  });
});
