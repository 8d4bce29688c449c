import { createHash, randomBytes } from 'node:crypto';
import { Agent } from 'node:http';
import { describe, expect, it } from 'vitest';
import { open, readAnswer, sendRaw, valuesOf } from '../support/http-client.ts';
import { startBinaryProxy, startTestProxy } from '../support/proxy.ts';
import { startRawUpstream } from '../support/raw-upstream.ts';

const MB = 1024 * 1024;
const ECHO = { behaviour: { echo: true } };
const sha = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** JSON-looking bytes with everything a re-serialisation would change. */
function messyJson(bytes: number): Buffer {
  const head = Buffer.from('{ "b":1.0,\t"a" : "\\u00e9é\\/",  "n":1e3, "messages":[ ] , "x":"');
  const filler = randomBytes(Math.ceil(bytes / 2)).toString('hex');
  return Buffer.concat([head, Buffer.from(filler)]).subarray(0, bytes);
}

describe('a request body', () => {
  it.each([0, 1, 2, 65_535, 65_536, 65_537, 88 * 1024, 6 * MB])('of %i bytes arrives byte for byte', async (bytes) => {
    const proxy = await startTestProxy({ simulator: ECHO });
    const body = messyJson(bytes);
    const answer = await proxy.send('/chat/completions', { body });
    expect(answer.status).toBe(200);
    expect(sha(answer.body)).toBe(sha(body));
    const [call] = proxy.calls();
    expect(sha(call?.body as Buffer)).toBe(sha(body));
    expect(call?.headers).toMatchObject({ 'content-length': String(bytes) });
    expect(call?.headers['transfer-encoding']).toBeUndefined();
  });

  it.each([1, 88 * 1024, 3 * MB])('sent in chunks, %i bytes, arrives byte for byte', async (bytes) => {
    const proxy = await startTestProxy({ simulator: ECHO, settings: { KMI_PROXY_REPLAY_MAX_MB: '2' } });
    const body = messyJson(bytes);
    const { request, response } = open(`${proxy.url}/chat/completions`, { headers: { 'transfer-encoding': 'chunked' } });
    for (let at = 0; at < bytes; at += 10_000) request.write(body.subarray(at, at + 10_000));
    request.end();
    expect(sha((await readAnswer(await response)).body)).toBe(sha(body));
  });

  it('goes up while the client is still sending it', async () => {
    const proxy = await startTestProxy({ simulator: ECHO });
    const { request, response } = open(`${proxy.url}/chat/completions`, { headers: { 'content-length': '200000' } });
    request.write(Buffer.alloc(100_000));
    await proxy.simulator.waitFor(([call]) => call !== undefined);
    request.end(Buffer.alloc(100_000));
    expect((await readAnswer(await response)).body).toHaveLength(200_000);
  });

  it('that was still coming in when the first key refused goes to the next one whole', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], simulator: ECHO });
    proxy.simulator.account('a').fail('refuse', { times: 2 });
    const body = messyJson(400_000);
    const { request, response } = open(`${proxy.url}/chat/completions`, { headers: { 'content-length': '400000' } });
    request.write(body.subarray(0, 150_000));
    await proxy.simulator.waitFor((all) => all.some(({ account }) => account === 'b'));
    request.end(body.subarray(150_000));
    expect(sha((await readAnswer(await response)).body)).toBe(sha(body));
  });

  it('without one, a GET has neither length nor body', async () => {
    const proxy = await startTestProxy();
    const text = await sendRaw(proxy.port, 'GET /kmi-rotor/v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1\.1 200/);
    const headers = proxy.calls()[0]?.headers;
    expect([headers?.['content-length'], headers?.['transfer-encoding']]).toEqual([undefined, undefined]);
  });
});

describe('a body over KMI_PROXY_REPLAY_MAX_MB', () => {
  const settings = { KMI_PROXY_REPLAY_MAX_MB: '1' };

  it.each([
    ['announced', { 'content-length': String(3 * MB) }],
    ['chunked', { 'transfer-encoding': 'chunked' }],
  ])('(%s) streams through', async (_, headers) => {
    const proxy = await startTestProxy({ simulator: ECHO, settings });
    const body = messyJson(3 * MB);
    const answer = await proxy.send('/chat/completions', { headers, body });
    expect(sha(answer.body)).toBe(sha(body));
  });

  it.each([
    ['announced', { 'content-length': String(3 * MB) }],
    ['chunked', { 'transfer-encoding': 'chunked' }],
  ])('(%s) goes to one key only, and its error is relayed', async (_, headers) => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], settings });
    proxy.simulator.account('a').fail('quota_5h');
    const answer = await proxy.send('/chat/completions', { headers, body: messyJson(3 * MB) });
    expect(answer.status).toBe(403);
    expect(proxy.served()).toBe('a');
    expect((await proxy.state(({ keys }) => keys.a?.exhausted_until !== null)).keys.a).toMatchObject({
      exhausted_reason: 'quota',
    });
  });
});

describe('a body that outgrows what is held', () => {
  const settings = { KMI_PROXY_REPLAY_MAX_MB: '1' };
  const chunked = { headers: { 'transfer-encoding': 'chunked' } };

  it('while an overload is waited out is never sent by halves: the error is relayed', async () => {
    const body = '{"error":{"type":"engine_overloaded_error","message":"overloaded"}}';
    const upstream = await startRawUpstream((socket) => {
      socket.write(`HTTP/1.1 429 Too Many Requests\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    });
    const proxy = await startTestProxy({
      settings: { ...settings, KMI_UPSTREAM_BASE_URL: upstream.baseUrl, KMI_PROXY_RETRY_BASE_MS: '300' },
    });
    const { request, response } = open(`${proxy.url}/files`, chunked);
    request.write(Buffer.alloc(100_000));
    await expect.poll(() => upstream.received.length).toBe(1);
    request.end(Buffer.alloc(3 * MB));
    const answer = await readAnswer(await response);
    expect([answer.status, answer.text]).toEqual([429, body]);
    expect(upstream.received).toHaveLength(1);
  });

  it('while it waits for a key arrives whole', async () => {
    const proxy = await startTestProxy({ simulator: ECHO, settings: { ...settings, KMI_PROXY_WAIT_SECONDS: '30' } });
    proxy.simulator.account('a').fail('org_rpm', { times: 1 });
    await proxy.chat();
    const body = messyJson(3 * MB);
    const { request, response } = open(`${proxy.url}/chat/completions`, chunked);
    request.end(body);
    expect(sha((await readAnswer(await response)).body)).toBe(sha(body));
  });

  it('and turns out too large after the answer began breaks the answer off, and no key is blamed', async () => {
    const upstream = await startRawUpstream((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {}\n\n');
    });
    const proxy = await startTestProxy({
      settings: { KMI_PROXY_MAX_BODY_MB: '1', KMI_UPSTREAM_BASE_URL: upstream.baseUrl },
    });
    const { request, response } = open(`${proxy.url}/chat/completions`, chunked);
    request.write(Buffer.alloc(100_000));
    const incoming = await response;
    request.end(Buffer.alloc(2 * MB));
    const answer = await readAnswer(incoming);
    expect(answer.error).toBe('ECONNRESET');
    expect(answer.text).toContain('body_too_large');
    expect((await proxy.state(({ keys }) => keys.a?.request_count === 1)).keys.a).toMatchObject({ error_5xx: 0 });
  });
});

describe('a body over KMI_PROXY_MAX_BODY_MB', () => {
  const settings = { KMI_PROXY_MAX_BODY_MB: '1' };
  const expectRefusal = (text: string) => expect(JSON.parse(text)).toMatchObject({ error: { code: 'body_too_large' } });

  it('is refused by its announced length, before any key is asked', async () => {
    const proxy = await startTestProxy({ settings });
    const answer = await proxy.send('/chat/completions', { body: Buffer.alloc(MB + 1) });
    expect([answer.status, answer.error]).toEqual([413, null]);
    expectRefusal(answer.text);
    expect(proxy.calls()).toHaveLength(0);
  });

  it('is refused in chunks as soon as it is too long, and costs the key nothing', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], settings });
    const answer = await proxy.send('/chat/completions', {
      headers: { 'transfer-encoding': 'chunked' },
      body: Buffer.alloc(2 * MB),
    });
    expect([answer.status, answer.error]).toEqual([413, null]);
    expectRefusal(answer.text);
    expect(proxy.served()).not.toContain('b');
    const line = (await proxy.trace(1))[0];
    expect(line).toMatchObject({ status: 413, error_code: 'body_too_large' });
    const { keys } = await proxy.state().catch(() => ({ keys: {} as never }));
    expect(keys.a ?? {}).not.toMatchObject({ error_5xx: 1 });
  });

  it.each([
    ['announced', { 'content-length': String(40 * MB) }],
    ['chunked', { 'transfer-encoding': 'chunked' }],
  ])('(%s) is answered also to a client that sends all of it before it reads', async (_, headers) => {
    const proxy = await startTestProxy({ settings });
    const answer = await proxy.send('/chat/completions', { headers, body: Buffer.alloc(40 * MB) });
    expect([answer.status, answer.error]).toEqual([413, null]);
  });

  it('is refused in the protocol of Anthropic on its path', async () => {
    const proxy = await startTestProxy({ settings });
    const answer = await proxy.send('/messages', { body: Buffer.alloc(MB + 1) });
    expect(JSON.parse(answer.text)).toMatchObject({ type: 'error', error: { type: 'request_too_large' } });
  });
});

it('an upstream that answers before it has read the body leaves the connection usable', async () => {
  const proxy = await startTestProxy({ accounts: ['a'], settings: { KMI_PROXY_REPLAY_MAX_MB: '1' } });
  const upstream = await startRawUpstream(
    (socket, head) => {
      const early = head.includes('/files');
      socket.write(`HTTP/1.1 ${early ? '400 Bad' : '200 OK'}\r\ncontent-length: 2\r\n\r\n{}`);
    },
    { reads: true },
  );
  await proxy.home.addKey({ label: 'a', baseUrl: upstream.baseUrl });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  // Until the key's new base URL is in force, the simulator answers.
  for (let answered = false; !answered; ) answered = (await proxy.send('/models', { method: 'GET' })).text === '{}';
  const { request, response } = open(`${proxy.url}/files`, { agent, headers: { 'content-length': String(20 * MB) } });
  request.on('error', () => undefined);
  for (let sent = 0; sent < 20; sent++) request.write(Buffer.alloc(MB));
  request.end();
  expect((await readAnswer(await response)).status).toBe(400);
  expect((await proxy.send('/models', { method: 'GET', agent })).text).toBe('{}');
  agent.destroy();
});

describe('the built binary', () => {
  it.each([88 * 1024, 6 * MB])('passes %i bytes up and down unchanged', async (bytes) => {
    const proxy = await startBinaryProxy({ simulator: ECHO });
    const body = messyJson(bytes);
    const answer = await proxy.send('/chat/completions', { headers: { 'content-type': 'application/json' }, body });
    expect(sha(proxy.calls()[0]?.body as Buffer)).toBe(sha(body));
    expect(sha(answer.body)).toBe(sha(body));
    expect(valuesOf(answer.rawHeaders, 'content-length')).toEqual([String(bytes)]);
  });
});
