import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { sendChatAnswer, startHttpUpstream } from '../support/http-upstream.ts';
import { startTestProxy } from '../support/proxy.ts';

const PAGE = '<!DOCTYPE html><html><body>You must sign in to use this network.</body></html>';
const UNTOUCHED = { blocked_reason: null, exhausted_until: null, error_401: 0, error_403: 0, error_429: 0, error_5xx: 0 };

type Foreign = { readonly status: number; readonly body: string | Buffer; readonly headers?: Record<string, string> };

/** Three keys, and a network that answers in the upstream's place until it is taken away. */
async function behind(foreign: Foreign, accounts = ['a', 'b', 'c']) {
  let blocks = true;
  const upstream = await startHttpUpstream((response: ServerResponse) => {
    if (!blocks) sendChatAnswer(response);
    else response.writeHead(foreign.status, foreign.headers ?? {}).end(foreign.body);
  });
  const proxy = await startTestProxy({
    accounts,
    autoRotate: true,
    settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl, KMI_PROXY_RETRY_BASE_MS: '1' },
  });
  return {
    proxy,
    upstream,
    free: () => {
      blocks = false;
    },
  };
}

const html = { 'content-type': 'text/html; charset=utf-8' };

describe('an answer that is not the API’s', () => {
  it.each<[string, Foreign]>([
    ['a sign-in page', { status: 401, body: PAGE, headers: html }],
    ['a sign-in page without a type', { status: 403, body: `\uFEFF${PAGE}` }],
    ['a packed page', { status: 429, body: gzipSync(PAGE), headers: { ...html, 'content-encoding': 'gzip' } }],
    ['a page in an encoding nobody knows', { status: 401, body: 'xxxx', headers: { ...html, 'content-encoding': 'zzz' } }],
    ['a page about money', { status: 402, body: '<html>top up your plan</html>' }],
    ['a proxy that wants a login', { status: 407, body: '' }],
    ['a network that wants a login', { status: 511, body: PAGE, headers: html }],
    ['a proxy’s text', { status: 403, body: 'Blocked by the corporate proxy.', headers: { 'content-type': 'text/plain' } }],
    ['a gateway’s JSON', { status: 401, body: '{"message":"Unauthorized"}', headers: { 'content-type': 'application/json' } }],
  ])('goes to the client at once and as it came, and blames nobody: %s', async (_, foreign) => {
    const { proxy, upstream, free } = await behind(foreign);
    const answer = await proxy.chat();
    expect([answer.status, answer.body.equals(Buffer.from(foreign.body))]).toEqual([foreign.status, true]);
    expect(upstream.keys).toHaveLength(1);
    free();
    for (let n = 0; n < 3; n++) expect((await proxy.chat()).status).toBe(200);
    const { keys } = await proxy.state(({ keys: { a, b, c } }) => a?.request_count === 2 && b !== undefined && c !== undefined);
    for (const key of Object.values(keys)) expect(key).toMatchObject(UNTOUCHED);
  });

  it('that may pass is asked for again, and blames nobody either', async () => {
    const { proxy, upstream } = await behind({ status: 502, body: '<html>502 Bad Gateway nginx</html>', headers: html });
    expect((await proxy.chat()).status).toBe(502);
    expect(upstream.keys.length).toBeGreaterThan(1);
    const { keys } = await proxy.state(({ keys: { a } }) => (a?.request_count ?? 0) > 0);
    for (const key of Object.values(keys)) expect(key).toMatchObject(UNTOUCHED);
  });

  it.each<[string, Foreign]>([
    ['a page with status 200', { status: 200, body: PAGE, headers: html }],
    ['a redirect', { status: 302, body: '', headers: { location: 'http://portal.test/' } }],
  ])('proves nothing of a key either: %s', async (_, foreign) => {
    const { proxy } = await behind(foreign, ['a']);
    proxy.serving.pool.failed(proxy.serving.pool.entries[0] as never, {
      verdict: 'bad-key',
      status: 401,
      retryAfterMs: null,
      windowMs: null,
      namesReason: true,
      startedAt: Date.now(),
      isUnsent: false,
    });
    expect((await proxy.chat()).status).toBe(foreign.status);
    const { keys } = await proxy.state(({ keys: { a } }) => a?.request_count === 2);
    expect(keys.a).toMatchObject({ blocked_reason: 'auth', error_401: 1 });
  });
});

describe('a 401 that says nothing else', () => {
  it('of all keys blocks none: it may be the network’s', async () => {
    const { proxy, free } = await behind({ status: 401, body: '' });
    expect((await proxy.chat()).status).toBe(403);
    free();
    expect((await proxy.chat()).status).toBe(200);
    const { keys } = await proxy.state(({ keys: { a } }) => (a?.request_count ?? 0) > 0);
    for (const key of Object.values(keys)) expect(key).toMatchObject(UNTOUCHED);
  });

  it('of one key blocks it, once another has served the request', async () => {
    const upstream = await startHttpUpstream((response, key) =>
      key.includes('-a-') ? response.writeHead(401).end() : sendChatAnswer(response),
    );
    const proxy = await startTestProxy({ accounts: ['a', 'b'], settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl } });
    expect((await proxy.chat()).status).toBe(200);
    const { keys } = await proxy.state(({ keys: { a } }) => a?.blocked_reason != null);
    expect(keys.a).toMatchObject({ blocked_reason: 'auth', error_401: 1 });
  });
});
