import { describe, expect, it } from 'vitest';
import { type Answer, send, valuesOf } from '../support/http-client.ts';
import { chatBody, type InProcessProxy, openChat, startBinaryProxy, startTestProxy, type TestProxy } from '../support/proxy.ts';

const ORIGINS = ['app://obsidian.md', 'http://localhost:3000', 'safari-web-extension://E1D9'];
const TOKEN = 'let-me-in-0123456789';
const settings = { KMI_PROXY_ALLOWED_ORIGINS: ORIGINS.join(', ') };

const one = ({ rawHeaders }: Pick<Answer, 'rawHeaders'>, name: string) => {
  const values = valuesOf(rawHeaders, name);
  expect(values.length).toBeLessThan(2);
  return values[0];
};

const isReadableBy = (origin: string, answer: Pick<Answer, 'rawHeaders'>) => {
  expect(one(answer, 'access-control-allow-origin')).toBe(origin);
  expect(valuesOf(answer.rawHeaders, 'vary').join()).toMatch(/origin/i);
};

const preflight = (
  proxy: TestProxy,
  origin: string,
  headers: Readonly<Record<string, string>> = {},
  path = '/kmi-rotor/v1/chat/completions',
) =>
  send(`http://127.0.0.1:${proxy.port}${path}`, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST', ...headers },
  });

describe('a page of an allowed origin', () => {
  it.each(ORIGINS)('%s gets its question beforehand answered, without token, limit or key', async (origin) => {
    const proxy = await startTestProxy({ settings: { ...settings, KMI_PROXY_TOKEN: TOKEN, KMI_PROXY_MAX_RPM: '1' } });
    for (const path of ['/kmi-rotor/v1/chat/completions', '/kmi-rotor/v1//messages', '/healthz', '/no/such/path']) {
      const asked = 'authorization, content-type, x-stainless-os';
      const headers = {
        'access-control-request-headers': asked,
        'access-control-request-private-network': 'true',
        'sec-fetch-site': 'cross-site',
      };
      const answer = await preflight(proxy, origin, headers, path);
      expect([answer.status, answer.text]).toEqual([204, '']);
      isReadableBy(origin, answer);
      expect(one(answer, 'access-control-allow-methods')).toContain('POST');
      expect(one(answer, 'access-control-allow-headers')).toBe(asked);
      expect(one(answer, 'access-control-allow-private-network')).toBe('true');
      expect(Number(one(answer, 'access-control-max-age'))).toBeGreaterThan(0);
    }
    expect(proxy.simulator.received).toHaveLength(0);
  });

  it('is not told of headers or a network it did not ask about', async () => {
    const proxy = await startTestProxy({ settings });
    const answer = await preflight(proxy, 'app://obsidian.md');
    expect(one(answer, 'access-control-allow-headers')).toBeUndefined();
    expect(one(answer, 'access-control-allow-private-network')).toBeUndefined();
    const strange = await preflight(proxy, 'app://obsidian.md', { 'access-control-request-headers': 'a b, \u00fc' });
    expect(one(strange, 'access-control-allow-headers')).toBeUndefined();
  });

  it('may read every answer: of the upstream, whole, streamed or an error, and of the proxy', async () => {
    const proxy = await startTestProxy({ settings: { ...settings, KMI_PROXY_TOKEN: TOKEN } });
    const [origin] = ORIGINS as [string];
    const headers = { origin, authorization: `Bearer ${TOKEN}`, 'sec-fetch-site': 'cross-site' };
    const get = (path: string, extra = {}) =>
      send(`http://127.0.0.1:${proxy.port}${path}`, { method: 'GET', headers: { ...headers, ...extra } });

    const whole = await proxy.chat({}, { headers });
    const streamed = await proxy.chat({ stream: true }, { headers });
    proxy.simulator.account('a').fail('content_filter', { times: 1 });
    const refused = await proxy.chat({}, { headers });
    const answers: readonly [Answer, number][] = [
      [whole, 200],
      [streamed, 200],
      [refused, 400],
      [await proxy.chat({}, { headers: { origin } }), 401],
      [await get('/healthz'), 200],
      [await get('/v1/models'), 404],
      [await get('/%'), 400],
      [await get('/kmi-rotor/v1/no//such'), 400],
      [await get('/kmi-rotor/v1/models', { host: 'evil.example' }), 403],
      [await get('/kmi-rotor/v1/responses', { 'sec-websocket-key': 'x' }), 426],
    ];
    for (const [answer, status] of answers) {
      expect(answer.status).toBe(status);
      isReadableBy(origin, answer);
    }
    expect(one(whole, 'access-control-expose-headers')?.split(', ')).toContain('x-trace-id');
    // What passes is otherwise what passes without a page.
    const plain = await proxy.chat({}, { headers: { authorization: `Bearer ${TOKEN}` } });
    expect(plain.rawHeaders.join()).not.toMatch(/access-control/i);
    expect(valuesOf(whole.rawHeaders, 'set-cookie')).toHaveLength(valuesOf(plain.rawHeaders, 'set-cookie').length);
    expect(streamed.text).toMatch(/data: \[DONE\]\n\n$/);
  });

  it('gets one permission, not the upstream’s as well', async () => {
    const proxy = await startTestProxy({ settings });
    const headers = [
      'access-control-allow-origin',
      '*',
      'Access-Control-Allow-Credentials',
      'true',
      'vary',
      'Origin',
      'x-a',
      '1',
      'x-a',
      '2',
    ];
    proxy.simulator.account('a').respondWith({ status: 200, headers, chunks: ['x'] });
    const answer = await proxy.chat({}, { headers: { origin: 'http://localhost:3000' } });
    isReadableBy('http://localhost:3000', answer);
    expect(one(answer, 'access-control-allow-credentials')).toBeUndefined();
    expect(valuesOf(answer.rawHeaders, 'vary')).toEqual(['Origin']);
    expect(valuesOf(answer.rawHeaders, 'x-a')).toEqual(['1', '2']);
  });

  it('reads a stream as it comes', async () => {
    const proxy = await startTestProxy({ settings, simulator: { behaviour: { chunkPauseMs: 20, chunks: 10 } } });
    const { response, request } = openChat(proxy, { stream: true }, { headers: { origin: 'app://obsidian.md' } });
    const incoming = await response;
    isReadableBy('app://obsidian.md', incoming);
    expect(proxy.simulator.openResponses).toBe(1);
    request.destroy();
  });
});

describe('a page of another origin', () => {
  it.each(['https://evil.example', 'null', 'app://obsidian.md.evil', 'http://localhost:3001', 'https://localhost:3000', ''])(
    '%j stays refused and gets none of it',
    async (origin) => {
      const proxy: InProcessProxy = await startTestProxy({ settings });
      for (const answer of [
        await preflight(proxy, origin),
        await preflight(proxy, origin, {}, '/healthz'),
        await proxy.send('/chat/completions', { headers: { origin }, body: chatBody() }),
      ]) {
        expect(answer.status).toBe(403);
        expect(answer.rawHeaders.join()).not.toMatch(/access-control/i);
      }
      expect(proxy.calls()).toHaveLength(0);
    },
  );
});

it('a Host of somebody else is refused beforehand as well', async () => {
  const proxy = await startTestProxy({ settings });
  expect((await preflight(proxy, 'app://obsidian.md', { host: 'evil.example' })).status).toBe(403);
});

it('an OPTIONS that is no preflight goes to the upstream as before', async () => {
  const proxy = await startTestProxy({ settings });
  await proxy.send('/models', { method: 'OPTIONS', headers: { origin: 'app://obsidian.md' } });
  expect(proxy.calls().map(({ method }) => method)).toEqual(['OPTIONS']);
});

it('the built binary does it too', async () => {
  const proxy = await startBinaryProxy({ settings });
  expect((await preflight(proxy, 'app://obsidian.md')).status).toBe(204);
  isReadableBy('app://obsidian.md', await proxy.chat({}, { headers: { origin: 'app://obsidian.md' } }));
});
