import { describe, expect, it } from 'vitest';
import { readAnswer, valuesOf } from '../support/http-client.ts';
import { openChat, startBinaryProxy, startTestProxy, type TestProxy } from '../support/proxy.ts';

const STREAM = ['content-type', 'text/event-stream'];
const EVENT = 'data: {"choices":[]}\n\n';

const stream = async (proxy: TestProxy, path = '/chat/completions') =>
  proxy.send(path, { headers: { 'content-type': 'application/json' }, body: '{"stream":true,"messages":[]}' });

/** The last `data:` line, as a client's SDK would read it. */
const lastData = (text: string) =>
  JSON.parse(
    text
      .trimEnd()
      .split('\n')
      .at(-1)
      ?.replace(/^data: /, '') ?? '',
  );

describe('a stream that breaks after its first byte', () => {
  it.each(['reset', 'cut'] as const)('(%s) ends with the error event of OpenAI and an aborted connection', async (end) => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'] });
    proxy.simulator.account('a').respondWith({ headers: STREAM, chunks: [EVENT], end });
    const answer = await stream(proxy);
    expect(answer.status).toBe(200);
    expect(answer.error).toBe('ECONNRESET');
    expect(answer.text.startsWith(EVENT)).toBe(true);
    expect(lastData(answer.text)).toMatchObject({ error: { type: 'kmi_error', code: 'upstream_unreachable' } });
    expect(proxy.served()).toBe('a');
    expect((await proxy.trace(1))[0]).toMatchObject({ status: 200, error_code: 'stream_broken', key_label: 'a' });
    const { keys } = await proxy.state(({ keys }) => keys.a?.error_5xx === 1);
    expect(keys.a).toMatchObject({ exhausted_until: null, request_count: 1 });
    await proxy.log('broke off');
  });

  it('ends with the error event of Anthropic on its path', async () => {
    const proxy = await startTestProxy();
    proxy.simulator.account('a').respondWith({ headers: STREAM, chunks: ['event: ping\ndata: {}\n\n'], end: 'reset' });
    const answer = await stream(proxy, '/messages');
    expect(answer.error).toBe('ECONNRESET');
    expect(answer.text).toContain('\n\nevent: error\ndata: ');
    expect(lastData(answer.text)).toMatchObject({ type: 'error', error: { type: 'api_error' } });
  });

  it('in the middle of a line is only aborted, for an event there would be garbled', async () => {
    const proxy = await startTestProxy();
    proxy.simulator.account('a').respondWith({ headers: STREAM, chunks: ['data: {"cho'], end: 'reset' });
    const answer = await stream(proxy);
    expect([answer.text, answer.error]).toEqual(['data: {"cho', 'ECONNRESET']);
  });

  it.each([
    ['is no event stream', ['content-type', 'application/json'], '{"a":1,\n'],
    ['is compressed', [...STREAM, 'content-encoding', 'gzip'], 'packed\n'],
    ['has an announced length', [...STREAM, 'content-length', '9999'], EVENT],
  ])('is only aborted when it %s', async (_, headers, chunk) => {
    const proxy = await startTestProxy();
    proxy.simulator.account('a').respondWith({ headers, chunks: [chunk], end: 'reset' });
    const answer = await stream(proxy);
    expect(answer.text).toBe(chunk);
    expect(answer.error).toBe('ECONNRESET');
  });

  it('right after its headers, too, is not tried again', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'] });
    proxy.simulator.account('a').respondWith({ headers: STREAM, chunks: [], end: 'reset' });
    const answer = await stream(proxy);
    expect(answer.error).toBe('ECONNRESET');
    expect(proxy.served()).toBe('a');
  });

  it('is not tried again either when the key would have had retries left', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], settings: { KMI_PROXY_RETRY_MAX: '3' } });
    proxy.simulator.account('a').fail('reset');
    expect((await proxy.chat({ stream: true })).error).toBe('ECONNRESET');
    expect(proxy.served()).toBe('a');
  });
});

it('an error event of the upstream inside a stream passes as it is', async () => {
  const proxy = await startTestProxy();
  proxy.simulator.account('a').fail('overloaded', { inStreamAfterChunks: 2 });
  const answer = await proxy.chat({ stream: true });
  expect(answer.error).toBeNull();
  expect(lastData(answer.text)).toMatchObject({ error: { type: 'engine_overloaded_error' } });
  expect((await proxy.trace(1))[0]).toMatchObject({ status: 200, error_code: null });
});

describe('a silent upstream', () => {
  const timeouts = { proxyFirstByteTimeoutSeconds: 0.15, proxyIdleTimeoutSeconds: 0.15 };

  it('is given up on before the first byte, and the next key serves', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], config: timeouts });
    proxy.simulator.account('a').fail('hang');
    expect((await proxy.chat()).status).toBe(200);
    expect(proxy.served()).toBe('a b');
    await proxy.simulator.waitFor(([call]) => call?.aborted === true);
    const { keys } = await proxy.state(({ keys }) => keys.b?.request_count === 1);
    expect(keys.a).toMatchObject({ exhausted_reason: 'upstream' });
  });

  it('is a 504 when nobody else can serve', async () => {
    const proxy = await startTestProxy({ config: timeouts });
    proxy.simulator.account('a').fail('hang');
    const answer = await proxy.chat();
    expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([504, 'upstream_timeout']);
    expect((await proxy.trace(1))[0]).toMatchObject({ status: 504, error_code: 'upstream_timeout' });
  });

  it('in the middle of a stream ends it with the error event', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], config: timeouts });
    proxy.simulator.account('a').respondWith({ headers: STREAM, chunks: [EVENT], end: 'hang' });
    const answer = await stream(proxy);
    expect(answer.error).toBe('ECONNRESET');
    expect(lastData(answer.text)).toMatchObject({ error: { code: 'upstream_timeout' } });
    expect(proxy.served()).toBe('a');
    await proxy.simulator.waitFor(([call]) => call?.aborted === true);
  });

  it('has as long as it needs while it keeps sending', async () => {
    const proxy = await startTestProxy({ config: timeouts, simulator: { behaviour: { chunkPauseMs: 60, chunks: 8 } } });
    const answer = await proxy.chat({ stream: true });
    expect([answer.error, answer.text.includes('[DONE]')]).toEqual([null, true]);
  });

  it('is waited for without end when the timeouts are 0', async () => {
    const none = { proxyFirstByteTimeoutSeconds: 0, proxyIdleTimeoutSeconds: 0 };
    const proxy = await startTestProxy({ config: none, simulator: { behaviour: { latencyMs: 300, firstByteDelayMs: 300 } } });
    expect((await proxy.chat({ stream: true })).text).toContain('[DONE]');
  });

  it('is not blamed for the time a slow client takes to send its request', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], config: timeouts });
    const { request, response } = openChat(proxy, {}, { headers: { 'content-length': '100000' }, body: undefined } as never);
    for (let sent = 0; sent < 10; sent++) {
      request.write(Buffer.alloc(10_000, ' '));
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    request.end();
    expect((await readAnswer(await response)).status).toBe(400);
    expect(proxy.served()).toBe('a');
  });
});

it('the built binary ends a broken stream with the error event and an aborted connection', async () => {
  const proxy = await startBinaryProxy();
  proxy.simulator.account('a').respondWith({ headers: STREAM, chunks: [EVENT, EVENT], pauseMs: 20, end: 'reset' });
  const answer = await stream(proxy);
  expect(answer.error).toBe('ECONNRESET');
  expect(valuesOf(answer.rawHeaders, 'content-type')).toEqual(['text/event-stream']);
  expect(lastData(answer.text)).toMatchObject({ error: { code: 'upstream_unreachable' } });
  expect(proxy.served()).toBe('a');
});
