import { brotliCompressSync, gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { valuesOf } from '../support/http-client.ts';
import { type BinaryProxy, chatBody, type InProcessProxy, keyOf, startBinaryProxy, startTestProxy } from '../support/proxy.ts';

const settings = { KMI_DRY_RUN: '1', KMI_USAGE_CACHE_SECONDS: '600' };
const SAID = 'This is kmi in dry-run. Nothing was sent.';

describe('the built binary in dry-run', () => {
  let proxy: BinaryProxy;
  beforeAll(async () => {
    proxy = await startBinaryProxy({ accounts: ['a', 'b', 'c'], autoRotate: true, settings });
    await proxy.kmi.waitForOutput(/dry-run/i);
  });

  it('answers as the API would, says that nothing was sent and with which key, and rotates', async () => {
    const labels: string[] = [];
    for (let n = 0; n < 6; n++) {
      const answer = await proxy.chat({}, { headers: { authorization: 'Bearer whatever' } });
      expect(answer.status).toBe(200);
      expect(valuesOf(answer.rawHeaders, 'x-kmi-dry-run')).toEqual(['true']);
      const { object, choices } = JSON.parse(answer.text);
      expect([object, choices[0].finish_reason]).toEqual(['chat.completion', 'stop']);
      expect(choices[0].message.content).toContain(SAID);
      labels.push(/the key (\w+) would/.exec(choices[0].message.content)?.[1] ?? '?');
    }
    expect(labels.join(' ')).toBe('a b c a b c');
    expect(proxy.simulator.received).toHaveLength(0);
    const lines = await proxy.trace(6);
    expect(lines[0]).toMatchObject({ status: 200, dry_run: true, key_label: 'a', prompt_hint: 'Say hello' });
    for (const line of lines) expect(line).not.toHaveProperty('input_tokens');
    expect((await proxy.state(({ keys }) => keys.c?.request_count === 2)).rotation_index).toBe(0);
  });

  it('streams when asked to', async () => {
    const answer = await proxy.chat({ stream: true, stream_options: { include_usage: true } });
    expect(valuesOf(answer.rawHeaders, 'content-type')[0]).toMatch(/^text\/event-stream/);
    const events = answer.text.split('\n\n').filter((event) => event.startsWith('data: {'));
    const parsed = events.map((event) => JSON.parse(event.slice(6)));
    expect(parsed.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toContain(SAID);
    expect(parsed.at(-1).usage).toBeDefined();
    expect(answer.text).toMatch(/data: \[DONE\]\n\n$/);
  });
});

describe('in every protocol', () => {
  let proxy: InProcessProxy;
  beforeAll(async () => {
    proxy = await startTestProxy({ settings });
  });
  const post = async (path: string, body: object | string, headers = {}) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const answer = await proxy.send(path, { body: text, headers: { 'content-type': 'application/json', ...headers } });
    expect(answer.text + answer.rawHeaders.join()).not.toContain(keyOf('a'));
    expect(answer.text).not.toContain('dry_run');
    return answer;
  };
  const messages = [{ role: 'user', content: 'Say hello' }];

  it('Anthropic messages, whole and streamed', async () => {
    const whole = JSON.parse((await post('/messages?beta=true', { model: 'k3', max_tokens: 9, messages })).text);
    expect(whole).toMatchObject({ type: 'message', role: 'assistant', model: 'k3', stop_reason: 'end_turn' });
    expect(whole.content[0].text).toContain(SAID);
    const { text } = await post('/messages', { model: 'k3', max_tokens: 9, messages, stream: true });
    expect(text.match(/^event: \w+/gm)?.map((line) => line.slice(7))).toEqual(
      expect.arrayContaining(['message_start', 'content_block_start', 'content_block_delta', 'message_delta', 'message_stop']),
    );
  });

  it('responses, whole and streamed', async () => {
    const input = [{ role: 'user', content: [{ type: 'input_text', text: 'Say hello' }] }];
    const whole = JSON.parse((await post('/responses', { model: 'k3', input })).text);
    expect(whole).toMatchObject({ object: 'response', status: 'completed', model: 'k3' });
    expect(whole.output[0].content[0].text).toContain(SAID);
    const { text } = await post('/responses', { model: 'k3', input, stream: true });
    const types = text.match(/^event: [\w.]+/gm)?.map((line) => line.slice(7));
    expect([types?.[0], types?.at(-1)]).toEqual(['response.created', 'response.completed']);
    expect(types?.indexOf('response.output_item.added')).toBeLessThan(types?.indexOf('response.output_text.delta') ?? -1);
  });

  it('the endpoints around them', async () => {
    const get = async (path: string) => JSON.parse((await proxy.send(path, { method: 'GET' })).text);
    expect((await get('/models')).data.map(({ id }: { id: string }) => id)).toContain('kimi-for-coding');
    expect((await get('/usages')).limits).toHaveLength(1);
    expect((await get('/me')).user_id).toEqual(expect.any(String));
    expect(JSON.parse((await post('/messages/count_tokens', { messages })).text).input_tokens).toBeGreaterThan(0);
    expect(JSON.parse((await post('/files', 'x', { 'content-type': 'text/plain' })).text).id).toEqual(expect.any(String));
    expect((await post('/search', { text_query: 'x' })).text).toContain(SAID);
    expect((await post('/fetch', { url: 'https://x.example' }, { accept: 'text/markdown' })).text).toContain(SAID);
    const head = await proxy.send('/models', { method: 'HEAD' });
    expect([head.status, head.text]).toEqual([200, '']);
  });

  it('JSON where JSON was asked for', async () => {
    const { text } = await post('/chat/completions', { messages, response_format: { type: 'json_object' } });
    expect(JSON.parse(JSON.parse(text).choices[0].message.content).message).toContain(SAID);
  });

  it('a file that no account here holds is no reason to refuse', async () => {
    const content = [{ type: 'video_url', video_url: { url: 'ms://file-of-somebody' } }];
    expect((await post('/chat/completions', { messages: [{ role: 'user', content }] })).status).toBe(200);
  });

  it('what the API would refuse is refused in its form', async () => {
    const broken = await post('/messages', '{"broken');
    expect([broken.status, JSON.parse(broken.text).type]).toEqual([400, 'error']);
    const strange = await post('/no/such', {});
    expect([strange.status, JSON.parse(strange.text).error.type]).toEqual([404, 'resource_not_found_error']);
  });

  it.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
  ])('a body in %s is read', async (encoding, compress) => {
    const headers = { 'content-type': 'application/json', 'content-encoding': encoding };
    const answer = await proxy.send('/chat/completions', { body: compress(Buffer.from(chatBody({ stream: true }))), headers });
    expect(answer.text).toMatch(/data: \[DONE\]\n\n$/);
  });

  it('a body too large to be held for a replay is read whole', async () => {
    const small = await startTestProxy({ settings: { ...settings, KMI_PROXY_REPLAY_MAX_MB: '0' } });
    const content = 'x'.repeat(300_000);
    const answer = await small.send('/chat/completions', {
      body: JSON.stringify({ messages: [{ role: 'user', content }], stream: true }),
      headers: { 'content-type': 'application/json' },
    });
    expect(answer.text).toMatch(/data: \[DONE\]\n\n$/);
  });
});

it('says so when no key could serve', async () => {
  const proxy = await startTestProxy({ accounts: [], settings });
  const answer = await proxy.chat();
  expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([503, 'no_keys']);
});

it('refuses what live mode refuses', async () => {
  const proxy = await startTestProxy({ settings: { ...settings, KMI_PROXY_TOKEN: 'token', KMI_PROXY_MAX_BODY_MB: '1' } });
  expect((await proxy.chat()).status).toBe(401);
  const headers = { 'x-api-key': 'token' };
  expect((await proxy.chat({}, { headers, body: 'x'.repeat(1024 * 1024 + 1) })).status).toBe(413);
  expect((await proxy.send('/../x', { headers })).status).not.toBe(200);
});
