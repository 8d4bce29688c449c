import { describe, expect, it } from 'vitest';
import { headerOf } from '../../src/core/text/raw-headers.ts';
import { readAnswerHead, readHead, withCredential } from '../../src/proxy/http/headers.ts';
import { valuesOf } from '../support/http-client.ts';
import { keyOf, openChat, startBinaryProxy, startTestProxy } from '../support/proxy.ts';
import { startRawUpstream } from '../support/raw-upstream.ts';

const AGENT_HEADERS = {
  'User-Agent': 'KimiCLI/1.2.3',
  'X-Msh-Platform': 'kimi_cli',
  'X-Msh-Device-Id': '0f3c9b0e-0000-4000-8000-000000000000',
  Accept: 'text/event-stream',
  'anthropic-version': '2023-06-01',
  'X-Repeated': ['one', 'two'],
};

/** Every place a client puts a credential. */
const CREDENTIALS = {
  Authorization: 'Bearer client-secret-1',
  'X-Api-Key': 'client-secret-2',
  'X-KMI-Proxy-Token': 'client-secret-3',
  Cookie: 'session=client-secret-4',
  'Proxy-Authorization': 'Basic client-secret-5',
};

const credential = (value: string) => ({ value, bearer: `Bearer ${value}` });

describe('request headers, split', () => {
  it('keep order, spelling and repetitions', () => {
    const raw = ['X-A', '1', 'Host', 'h', 'x-B', '2', 'X-A', '3'];
    expect(readHead(raw).forwarded).toEqual(['X-A', '1', 'x-B', '2', 'X-A', '3']);
  });

  it.each([
    ['Connection', 'close'],
    ['Keep-Alive', 'timeout=5'],
    ['Proxy-Connection', 'keep-alive'],
    ['TE', 'trailers'],
    ['Trailer', 'x'],
    ['Transfer-Encoding', 'chunked'],
    ['Upgrade', 'h2c'],
    ['Content-Length', '3'],
    ['Expect', '100-continue'],
    ...Object.entries(CREDENTIALS),
  ])('lose %s', (name, value) => {
    for (const spelled of [name, name.toLowerCase(), name.toUpperCase()]) {
      expect(readHead([spelled, value]).forwarded).toEqual([]);
    }
  });

  it.each([
    [
      ['Connection', 'x-hop', 'X-Hop', '1', 'X-Stay', '2'],
      ['X-Stay', '2'],
    ],
    [['X-Hop', '1', 'connection', ' close , X-HOP,x-other', 'x-other', '3'], []],
    [
      ['Connection', 'a', 'Connection', 'b', 'a', '1', 'b', '2', 'c', '3'],
      ['c', '3'],
    ],
    [['Connection', ',, ,'], []],
  ])('lose what Connection names: %j', (raw, left) => {
    expect(readHead(raw).forwarded).toEqual(left);
  });

  it('get the key as Bearer, and as x-api-key only when the client used it', () => {
    const plain = readHead(['x', '1']);
    expect(withCredential(plain, credential('K'), 5)).toEqual(['x', '1', 'authorization', 'Bearer K', 'content-length', '5']);
    const anthropic = readHead(['X-API-KEY', 'mine']);
    expect(withCredential(anthropic, credential('K'), null)).toEqual(['authorization', 'Bearer K', 'x-api-key', 'K']);
    // The second attempt starts from the same headers.
    expect(withCredential(plain, credential('L'), null)).toEqual(['x', '1', 'authorization', 'Bearer L']);
  });
});

describe('response headers', () => {
  it('keep everything but those of the connection', () => {
    const raw = [
      'Set-Cookie',
      'a=1',
      'Connection',
      'close, x-hop',
      'X-Hop',
      '1',
      'Set-Cookie',
      'b=2',
      'Transfer-Encoding',
      'chunked',
    ];
    expect(
      readAnswerHead(
        200,
        'OK',
        raw.map((part) => Buffer.from(part, 'latin1')),
      ).headers,
    ).toEqual(['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2']);
  });

  it('keep bytes beyond ASCII', () => {
    expect(readAnswerHead(200, 'OK', [Buffer.from('x'), Buffer.from([0xe9, 0x20, 0xff])]).headers).toEqual(['x', 'é ÿ']);
  });

  it('are found by name, the first of several', () => {
    expect(headerOf(['A', '1', 'a', '2'], 'a')).toBe('1');
    expect(headerOf(['b', 'a'], 'a')).toBeUndefined();
  });
});

describe('through the proxy', () => {
  it('what the client says of itself passes unchanged', async () => {
    const proxy = await startTestProxy();
    await proxy.chat({}, { headers: AGENT_HEADERS });
    const raw = proxy.calls()[0]?.rawHeaders as string[];
    for (const [name, value] of Object.entries(AGENT_HEADERS)) {
      expect(valuesOf(raw, name.toLowerCase())).toEqual([value].flat());
      expect(raw).toContain(name);
    }
    expect(valuesOf(raw, 'host')).toEqual([proxy.simulator.origin.slice('http://'.length)]);
  });

  it('no client credential reaches the upstream', async () => {
    const proxy = await startTestProxy();
    for (const path of ['/chat/completions', '/messages', '/models'])
      await proxy.send(path, { headers: CREDENTIALS, body: '{}' });
    expect(proxy.calls()).toHaveLength(3);
    for (const { rawHeaders, headers } of proxy.calls()) {
      expect(rawHeaders.join('\n')).not.toContain('client-secret');
      expect(headers).toMatchObject({ authorization: `Bearer ${keyOf('a')}`, 'x-api-key': keyOf('a') });
    }
  });

  it('headers of the connection stay on theirs, both ways', async () => {
    const upstream = await startRawUpstream((socket) =>
      socket.write(
        'HTTP/1.1 200 OK\r\nconnection: keep-alive, x-up\r\nx-up: 1\r\nkeep-alive: timeout=7\r\nproxy-authenticate: x\r\ncontent-length: 2\r\n\r\n{}',
      ),
    );
    const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl } });
    const answer = await proxy.chat(
      {},
      { headers: { connection: 'keep-alive, x-down', 'x-down': '1', te: 'trailers', 'x-stay': '1' } },
    );
    expect(upstream.received[0]).not.toMatch(/x-down|trailers|\bte:/i);
    expect(upstream.received[0]).toMatch(/x-stay: 1/);
    expect(answer.rawHeaders.join()).not.toMatch(/x-up|timeout=7\b|proxy-authenticate/i);
  });

  it('an answer without a date gets none, and one with a date keeps that one', async () => {
    const date = 'Thu, 01 Jan 2026 00:00:00 GMT';
    const upstream = await startRawUpstream((socket, _, number) =>
      socket.write(`HTTP/1.1 200 Fine By Me\r\n${number === 0 ? '' : `Date: ${date}\r\n`}content-length: 2\r\n\r\n{}`),
    );
    const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl } });
    expect(valuesOf((await proxy.chat()).rawHeaders, 'date')).toEqual([]);
    const answer = await proxy.chat();
    expect(valuesOf(answer.rawHeaders, 'date')).toEqual([date]);
    expect(answer.reason).toBe('Fine By Me');
  });

  it.each(['at once', 'late'])('bytes beyond ASCII in a header stay as they are when the body comes %s', async (when) => {
    const upstream = await startRawUpstream((socket) => {
      socket.write(Buffer.from('HTTP/1.1 200 OK\r\nx-odd: caf\xe9\r\ncontent-length: 2\r\n\r\n', 'latin1'));
      if (when === 'at once') socket.write('{}');
      else setTimeout(() => socket.write('{}'), 30);
    });
    const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl } });
    const answer = await proxy.chat();
    expect([valuesOf(answer.rawHeaders, 'x-odd'), answer.text]).toEqual([['caf\xe9'], '{}']);
  });

  it('cookies of the upstream pass to the client and are never sent back, not even to the same key', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], autoRotate: true });
    for (let n = 0; n < 4; n++) {
      expect(valuesOf((await proxy.chat()).rawHeaders, 'set-cookie')).toHaveLength(2);
    }
    for (const { headers } of proxy.calls()) expect(headers.cookie).toBeUndefined();
  });

  it('a compressed answer passes as it is', async () => {
    const proxy = await startTestProxy({ simulator: { behaviour: { gzip: true } } });
    const answer = await proxy.chat({}, { headers: { 'accept-encoding': 'gzip' } });
    expect(valuesOf(answer.rawHeaders, 'content-encoding')).toEqual(['gzip']);
    expect(answer.body.subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]));
    expect((await proxy.chat()).text).toContain('Hello');
  });
});

describe('the built binary', () => {
  it('passes raw response headers with repeated set-cookie, and no client credential', async () => {
    const proxy = await startBinaryProxy();
    const headers = [
      'X-Trace-Id',
      't-1',
      'Set-Cookie',
      'a=1; Path=/',
      'set-cookie',
      'b=2',
      'x-Odd',
      'caf\xe9',
      'Date',
      'Thu, 01 Jan 2026 00:00:00 GMT',
      'Content-Length',
      '2',
    ];
    proxy.simulator.account('a').respondWith({ headers, chunks: [Buffer.from('{}')] });
    const answer = await proxy.chat({}, { headers: CREDENTIALS });
    expect(answer.rawHeaders.slice(0, headers.length)).toEqual(headers);
    expect(valuesOf(answer.rawHeaders, 'date')).toHaveLength(1);
    expect(proxy.calls()[0]?.rawHeaders.join('\n')).not.toContain('client-secret');
  });

  it('passes each chunk on when it comes', async () => {
    const proxy = await startBinaryProxy({ simulator: { behaviour: { chunkPauseMs: 60, chunks: 6 } } });
    const { response } = openChat(proxy);
    const arrivals: { at: number; text: string }[] = [];
    for await (const chunk of await response) arrivals.push({ at: performance.now(), text: String(chunk) });
    // One arrival for each event of the upstream, none of them kept for the next.
    expect(arrivals.length).toBeGreaterThanOrEqual(7);
    for (const { text } of arrivals) expect(text.endsWith('\n\n')).toBe(true);
    const [first, last] = [arrivals[0]?.at as number, arrivals.at(-1)?.at as number];
    expect(last - first).toBeGreaterThan(300);
  });
});
