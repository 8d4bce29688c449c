import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { open, readAnswer, sendRaw, valuesOf } from '../support/http-client.ts';
import { openChat, startTestProxy } from '../support/proxy.ts';
import { startRawUpstream } from '../support/raw-upstream.ts';

const BASE = '/kmi-rotor/v1';
const json = (text: string, head = '') => `HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\n${head}\r\n${text}`;

describe('methods', () => {
  it.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'QUERY', 'PURGE', 'M-SEARCH'])(
    '%s reaches the upstream as it is',
    async (method) => {
      const proxy = await startTestProxy();
      const answer = await proxy.send('/odd', { method });
      expect(answer.status).toBe(404);
      expect(proxy.calls()[0]).toMatchObject({ method, path: '/coding/v1/odd' });
    },
  );

  it('CONNECT and a method nobody knows get no further', async () => {
    const proxy = await startTestProxy();
    expect(await sendRaw(proxy.port, 'CONNECT evil.example:443 HTTP/1.1\r\nhost: localhost\r\n\r\n')).toBe('');
    expect(await sendRaw(proxy.port, `NONSENSE ${BASE}/x HTTP/1.1\r\nhost: localhost\r\n\r\n`)).toMatch(/^HTTP\/1\.1 400/);
    expect(proxy.calls()).toHaveLength(0);
  });

  it('an OPTIONS preflight of a web page gets no CORS headers', async () => {
    const proxy = await startTestProxy();
    const headers = { origin: 'https://evil.example', 'access-control-request-method': 'POST' };
    const answer = await proxy.send('/chat/completions', { method: 'OPTIONS', headers });
    expect(answer.status).toBe(403);
    expect(answer.rawHeaders.join()).not.toContain('access-control');
    expect(proxy.calls()).toHaveLength(0);
  });
});

describe('answers without a body', () => {
  it('HEAD keeps the announced length', async () => {
    const upstream = await startRawUpstream((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n'));
    const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl } });
    const answer = await proxy.send('/models', { method: 'HEAD' });
    expect([answer.status, answer.text, answer.error]).toEqual([200, '', null]);
    expect(valuesOf(answer.rawHeaders, 'content-length')).toEqual(['1234']);
  });

  it('HEAD of what is not there is a plain error, and the connection stays', async () => {
    const proxy = await startTestProxy();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const answer = await proxy.send('/nothing', { method: 'HEAD', agent });
    expect([answer.status, answer.text, answer.error]).toEqual([404, '', null]);
    const { request, response } = open(`${proxy.url}/models`, { method: 'GET', agent, body: '' });
    expect((await readAnswer(await response)).status).toBe(200);
    expect(request.reusedSocket).toBe(true);
    agent.destroy();
  });

  it.each([
    [204, 'No Content'],
    [304, 'Not Modified'],
    [205, 'Reset Content'],
  ])('%i passes', async (status, reason) => {
    const head = `HTTP/1.1 ${status} ${reason}\r\netag: "x"\r\n${status === 205 ? 'content-length: 0\r\n' : ''}\r\n`;
    const upstream = await startRawUpstream((socket) => socket.write(head));
    const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl } });
    const answer = await proxy.send('/models', { method: 'GET' });
    expect([answer.status, answer.reason, answer.text, answer.error]).toEqual([status, reason, '', null]);
    expect(valuesOf(answer.rawHeaders, 'etag')).toEqual(['"x"']);
    expect(valuesOf(answer.rawHeaders, 'transfer-encoding')).toEqual([]);
  });

  it.each([301, 302, 307, 308])('a redirect (%i) is relayed, not followed', async (status) => {
    const proxy = await startTestProxy();
    proxy.simulator
      .account('a')
      .respondWith({ status, headers: ['location', `${proxy.simulator.baseUrl}/models`, 'content-length', '0'], chunks: [''] });
    const answer = await proxy.chat();
    expect(answer.status).toBe(status);
    expect(valuesOf(answer.rawHeaders, 'location')).toEqual([`${proxy.simulator.baseUrl}/models`]);
    expect(proxy.calls()).toHaveLength(1);
  });
});

describe('answers that come oddly', () => {
  it.each([102, 103])('a %i before the real one does no harm', async (status) => {
    const upstream = await startRawUpstream((socket) => {
      socket.write(`HTTP/1.1 ${status} Wait\r\nlink: </x>\r\n\r\n`);
      setTimeout(() => socket.write(json('{"a":1}')), 20);
    });
    const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl } });
    const answer = await proxy.chat();
    expect([answer.status, answer.text]).toEqual([200, '{"a":1}']);
    expect(valuesOf(answer.rawHeaders, 'link')).toEqual([]);
  });

  it('one whose end is the end of the connection', async () => {
    const upstream = await startRawUpstream((socket) => socket.end('HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\nold'));
    const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl } });
    expect(await proxy.chat()).toMatchObject({ status: 200, text: 'old', error: null });
  });

  it('one with trailers ends where its body ends', async () => {
    const upstream = await startRawUpstream((socket) =>
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 9\r\n\r\n'),
    );
    const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl } });
    const answer = await proxy.chat();
    expect(answer).toMatchObject({ status: 200, text: 'hi', error: null });
    expect(valuesOf(answer.rawHeaders, 'trailer')).toEqual([]);
  });

  it.each([
    ['that is no HTTP', 'hello\r\n\r\n'],
    ['with a broken header', 'HTTP/1.1 200 OK\r\nbro ken\r\n\r\n'],
    ['that closes at once', ''],
    ['whose headers are too large', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(80_000)}\r\n\r\n`],
  ])('one %s is a 502', async (_, text) => {
    const upstream = await startRawUpstream((socket) => socket.end(text));
    const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl } });
    const answer = await proxy.chat();
    expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([502, 'upstream_unreachable']);
  });

  it('an empty stream ends cleanly', async () => {
    const proxy = await startTestProxy();
    proxy.simulator.account('a').respondWith({ headers: ['content-type', 'text/event-stream'], chunks: [] });
    expect(await proxy.chat()).toMatchObject({ status: 200, text: '', error: null });
  });
});

describe('Expect: 100-continue', () => {
  it('is answered, and does not go upstream', async () => {
    const proxy = await startTestProxy({ simulator: { behaviour: { echo: true } } });
    const { request, response } = open(`${proxy.url}/chat/completions`, {
      headers: { expect: '100-continue', 'content-length': '4' },
    });
    request.flushHeaders();
    await new Promise((resolve) => request.once('continue', resolve));
    request.end('body');
    expect((await readAnswer(await response)).text).toBe('body');
    expect(proxy.calls()[0]?.headers.expect).toBeUndefined();
  });
});

describe('connections of the client', () => {
  it('are kept and used again', async () => {
    const proxy = await startTestProxy();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ports = new Set<number | undefined>();
    for (let n = 0; n < 5; n++) {
      const { request, response } = open(`${proxy.url}/models`, { method: 'GET', agent, body: '' });
      await readAnswer(await response);
      ports.add(request.socket?.localPort);
    }
    agent.destroy();
    expect(ports.size).toBe(1);
    expect(proxy.simulator.connectionsEver).toBe(1);
  });

  it('may carry pipelined requests, answered in order', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], autoRotate: true });
    const one = (path: string, close = '') => `GET ${BASE}${path} HTTP/1.1\r\nhost: localhost\r\n${close}\r\n`;
    const text = await sendRaw(proxy.port, one('/first') + one('/second') + one('/models', 'connection: close\r\n'));
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 404', 'HTTP/1.1 404', 'HTTP/1.1 200']);
  });

  it('of HTTP/1.0 get a plain answer and are closed', async () => {
    const proxy = await startTestProxy();
    const text = await sendRaw(proxy.port, `GET ${BASE}/models HTTP/1.0\r\nhost: localhost\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 200/);
    expect(text).not.toMatch(/transfer-encoding/i);
    expect(text).toContain('kimi-for-coding');
  });

  it.each([
    ['no HTTP', 'hello\r\n\r\n', 400],
    ['two lengths', `POST ${BASE}/x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab`, 400],
    [
      'a length and chunks',
      `POST ${BASE}/x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    ['a header too large', `GET ${BASE}/x HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(70_000)}\r\n\r\n`, 431],
  ])('with %s are refused', async (_, bytes, status) => {
    const proxy = await startTestProxy();
    expect(await sendRaw(proxy.port, bytes)).toMatch(new RegExp(`^HTTP/1\\.1 ${status}`));
    expect(proxy.calls()).toHaveLength(0);
  });

  it('whose chunks are garbage half-way are closed, and no key is blamed', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'] });
    const head = `POST ${BASE}/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n`;
    await sendRaw(proxy.port, `${head}3\r\nabc\r\nzz\r\n`);
    expect((await proxy.trace(1))[0]).toMatchObject({ error_code: 'client_left' });
    expect((await proxy.chat()).status).toBe(200);
    expect((await proxy.state(({ keys }) => keys.a !== undefined)).keys.a).toMatchObject({ error_5xx: 0, exhausted_until: null });
    expect(await proxy.log()).not.toContain('failed inside');
  });

  it('may ask for an upgrade and get a normal answer', async () => {
    const proxy = await startTestProxy();
    const answer = await proxy.send('/models', { method: 'GET', headers: { connection: 'Upgrade', upgrade: 'h2c' } });
    expect(answer.status).toBe(200);
    expect(proxy.calls()[0]?.headers.upgrade).toBeUndefined();
  });

  it('that say nothing keep nothing busy', async () => {
    const proxy = await startTestProxy();
    const socket = connect(proxy.port, '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    expect((await proxy.chat()).status).toBe(200);
    socket.destroy();
  });
});

it('no bytes whatever bring the proxy down', async () => {
  const proxy = await startTestProxy();
  const piece = fc.constantFrom(
    ...[
      'GET',
      'POST',
      'HEAD',
      ' ',
      `${BASE}/chat/completions`,
      `${BASE}/models`,
      '/healthz',
      ' HTTP/1.1\r\n',
      '\r\n',
      '\r\n\r\n',
    ],
    ...['host: localhost\r\n', 'content-length: 5\r\n', 'transfer-encoding: chunked\r\n', 'expect: 100-continue\r\n', 'x'],
    ...['5\r\nhello\r\n', '0\r\n\r\n', 'hello', 'connection: close\r\n', 'authorization: \r\n', 'upgrade: h2c\r\n', '\0', '\xff'],
  );
  const bytes = fc.oneof(
    fc.array(piece, { maxLength: 14 }).map((parts) => Buffer.from(parts.join(''), 'latin1')),
    fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
  );
  await fc.assert(
    fc.asyncProperty(bytes, async (sent) => {
      const socket = connect(proxy.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.resume();
      socket.end(sent);
      await new Promise((resolve) => socket.once('close', resolve));
    }),
    { numRuns: 200 },
  );
  expect((await proxy.chat()).status).toBe(200);
  expect(await proxy.log()).not.toContain('failed inside');
});

it('two hundred streams are open at one time, and each has its first chunk', async () => {
  const proxy = await startTestProxy({ simulator: { behaviour: { chunkPauseMs: 60_000 } } });
  const opened = Array.from({ length: 200 }, () => openChat(proxy));
  await Promise.all(opened.map(async ({ response }) => once(await response, 'data')));
  expect([proxy.simulator.openResponses, proxy.simulator.connections]).toEqual([200, 200]);
  for (const { request } of opened) request.destroy();
  await proxy.simulator.waitFor(() => proxy.simulator.openResponses === 0);
});
