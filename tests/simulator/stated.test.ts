import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { chat, collect, exchange, json, openSimulator, post, readEvents } from './client.ts';

const NOTHING = { input: 0, cached: 0, output: 0, reasoning: 0 };
const WHOLE = { input: 2, cached: 0, output: 8, reasoning: 2 };
const STREAM = { stream: true };
const WITH_USAGE = { ...STREAM, stream_options: { include_usage: true } };
const MESSAGE = { model: 'k3', messages: [{ role: 'user', content: 'Hi' }] };

const open = () => openSimulator({ behaviour: { reasoningChunks: 2, statesReasoning: true } });

describe('what answers stated', () => {
  it('is what the usage of the chats says, and only where it says it', async () => {
    const simulator = await open();
    await (await chat(simulator)).text();
    await (await chat(simulator, STREAM)).text();
    await (await chat(simulator, WITH_USAGE)).text();
    expect(simulator.received.map(({ stated }) => stated)).toEqual([WHOLE, null, WHOLE]);
    expect(simulator.account('a').stated).toEqual({ input: 4, cached: 0, output: 16, reasoning: 4 });
  });

  it('counts cached tokens into the input on the Anthropic path, and its two statements once', async () => {
    const simulator = await openSimulator();
    const body = { ...MESSAGE, messages: [{ role: 'user', content: 'x'.repeat(396) }], metadata: { user_id: 's' } };
    await (await post(simulator, '/messages', body)).text();
    await (await post(simulator, '/messages', { ...body, ...STREAM })).text();
    expect(simulator.received.map(({ stated }) => stated)).toEqual([
      { input: 100, cached: 0, output: 6, reasoning: 0 },
      { input: 100, cached: 100, output: 6, reasoning: 0 },
    ]);
    expect(simulator.account('a').stated).toEqual({ input: 200, cached: 100, output: 12, reasoning: 0 });
  });

  it('is nothing for refusals, and for whoever writes of usage without stating it', async () => {
    const simulator = await openSimulator({ behaviour: { echo: true } });
    await (await chat(simulator, { usage: { prompt_tokens: 9 } })).text();
    simulator.account('a').behave({ echo: false }).fail('overloaded', { times: 1 });
    await (await chat(simulator)).text();
    expect(simulator.account('a').stated).toEqual(NOTHING);
  });

  it('ends where a stream is cut: an event half sent states nothing', async () => {
    const simulator = await open();
    const { chunks } = await exchange(`${simulator.baseUrl}/chat/completions`, {
      body: JSON.stringify({ ...MESSAGE, ...WITH_USAGE }),
    });
    const bytes = Buffer.concat(chunks);
    const end = bytes.indexOf('}}', bytes.indexOf('"usage"'));
    for (const [afterBytes, stated] of [
      [bytes.indexOf('"usage"') + 9, null],
      [end + 1, null],
      [end + 2, WHOLE],
    ] as const) {
      simulator.received.length = 0;
      simulator.account('a').fail('reset', { afterBytes, times: 1 });
      await exchange(`${simulator.baseUrl}/chat/completions`, { body: JSON.stringify({ ...MESSAGE, ...WITH_USAGE }) });
      expect(simulator.received.map((request) => [afterBytes, request.stated])).toEqual([[afterBytes, stated]]);
    }
  });

  it.each([
    ['/chat/completions', WITH_USAGE],
    ['/messages', STREAM],
  ])('is known before a hanging stream of %s ends', async (path, extra) => {
    const simulator = await openSimulator({ behaviour: { gzip: true } });
    const whole = await collect(readEvents(await post(simulator, path, { ...MESSAGE, ...extra })));
    const said = simulator.received[0]?.stated;
    expect(said).toMatchObject({ output: 6 });
    const last = whole.findLastIndex(({ data }) => data.includes('"usage"'));
    for (const [inStreamAfterChunks, stated] of [
      [0, null],
      [last, path === '/messages' ? { ...said, output: 0 } : null],
      [last + 1, said],
    ] as const) {
      simulator.received.length = 0;
      simulator.account('a').fail('hang', { inStreamAfterChunks, times: 1 });
      const leave = new AbortController();
      const response = await post(simulator, path, { ...MESSAGE, ...extra }, { signal: leave.signal });
      const events = readEvents(response);
      for (let n = 0; n < inStreamAfterChunks; n += 1)
        expect((await events.next()).value).toEqual({ event: whole[n]?.event, data: expect.any(String) });
      expect(simulator.received[0]).toMatchObject({ stated, endedAt: null, status: 200 });
      leave.abort();
      await simulator.waitFor(([request]) => request?.aborted === true);
    }
  });

  it('is the whole of a compressed answer that broke after its last byte, and nothing of one that broke before', async () => {
    // Answers of other times may be longer or shorter by a byte when they are compressed.
    const simulator = await openSimulator({ clock: () => Date.UTC(2026, 1, 2), behaviour: { gzip: true } });
    const url = `${simulator.baseUrl}/chat/completions`;
    const ask = { headers: { 'accept-encoding': 'gzip' }, body: JSON.stringify(MESSAGE) };
    const { chunks } = await exchange(url, ask);
    const { length } = Buffer.concat(chunks);
    expect(JSON.parse(gunzipSync(Buffer.concat(chunks)).toString())).toHaveProperty('usage');
    for (const afterBytes of [length - 1, length]) {
      simulator.account('a').fail('reset', { afterBytes, times: 1 });
      await exchange(url, ask);
    }
    expect(simulator.received.map(({ stated }) => stated?.output ?? null)).toEqual([6, null, 6]);
  });
});

it('a hang of an answer that is no stream is silence, and strikes only the requests it is for', async () => {
  const simulator = await openSimulator();
  simulator.account('a').fail('hang', { inStreamAfterChunks: 3, when: (headers) => headers['x-test'] === 'hang' });
  expect((await chat(simulator)).status).toBe(200);
  const leave = new AbortController();
  const hanging = chat(simulator, {}, { headers: { 'x-test': 'hang' }, signal: leave.signal });
  await simulator.waitFor((requests) => requests.length === 2 && (requests[1]?.body.length ?? 0) > 0);
  leave.abort();
  await expect(hanging).rejects.toThrow('abort');
  await simulator.waitFor((requests) => requests[1]?.aborted === true);
  expect(simulator.received[1]).toMatchObject({ stated: null, status: null });
});

describe('uploaded files', () => {
  it('are known to their account only, whichever of its keys asks', async () => {
    const simulator = await openSimulator({
      accounts: [
        { name: 'a', keys: ['a1', 'a2'] },
        { name: 'b', keys: ['b1'] },
      ],
    });
    const upload = async (key: string) => (await json(await post(simulator, '/files', 'film', { key }))).id as string;
    const id = await upload('a1');
    const ask = async (key: string, url: string, path = '/chat/completions') => {
      const content = [
        { type: 'text', text: 'see ms://file-b-9' },
        { type: 'video_url', video_url: { url } },
      ];
      const response = await post(simulator, path, { model: 'k3', messages: [{ role: 'user', content }] }, { key });
      return [response.status, (await json(response)).error?.message ?? null];
    };
    expect(await ask('a1', `ms://${id}`)).toEqual([200, null]);
    expect(await ask('a2', `ms://${id}`)).toEqual([200, null]);
    expect(await ask('a2', `ms://${id}`, '/messages')).toEqual([200, null]);
    for (const [key, strange] of [
      ['b1', id],
      ['a1', 'file-a-2'],
      ['a1', 'file-a-0'],
      ['a1', 'file-a-x'],
    ] as const) {
      expect(await ask(key, `ms://${strange}`)).toEqual([400, `Invalid request: file ${strange} is not found`]);
    }
    expect(await upload('b1')).toBe('file-b-1');
    expect(await ask('b1', 'ms://file-b-1')).toEqual([200, null]);
    expect(simulator.account('b').accepted).toBe(1);
  });
});

it('several keys of one account share its profile, its parallel limit and its cache', async () => {
  const simulator = await openSimulator({ accounts: [{ name: 'a', keys: ['a1', 'a2'], userId: 'u-a', parallelLimit: 1 }] });
  const fetchAs = async (path: string, key: string) =>
    json(await fetch(simulator.baseUrl + path, { headers: { authorization: `Bearer ${key}` } }));
  for (const key of ['a1', 'a2']) {
    expect((await fetchAs('/me', key)).user_id).toBe('u-a');
    expect((await fetchAs('/usages', key)).parallel).toEqual({ limit: '1' });
  }
  const ask = async (key: string) =>
    (await json(await chat(simulator, { messages: [{ content: 'x'.repeat(400) }], prompt_cache_key: 's' }, { key }))).usage;
  expect((await ask('a1')).cached_tokens).toBe(0);
  expect((await ask('a2')).cached_tokens).toBe(100);
  simulator.account('a').behave({ firstByteDelayMs: 60_000 });
  const leave = new AbortController();
  await chat(simulator, STREAM, { key: 'a1', signal: leave.signal });
  expect((await chat(simulator, {}, { key: 'a2' })).status).toBe(403);
  leave.abort();
  await simulator.waitFor(() => simulator.openResponses === 0);
});
