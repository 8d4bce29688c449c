import { describe, expect, it } from 'vitest';
import { sendRaw } from '../support/http-client.ts';
import { startBinaryProxy, startTestProxy, type TestProxy } from '../support/proxy.ts';

const TOKEN = 'let-me-in-0123456789';
const PATH = '/kmi-rotor/v1/models';

const get = (proxy: TestProxy, hosts: readonly string[], path = PATH) =>
  sendRaw(proxy.port, `GET ${path} HTTP/1.1\r\n${hosts.map((host) => `Host: ${host}\r\n`).join('')}Connection: close\r\n\r\n`);

const statusOf = (text: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);

describe('the Host of a request', () => {
  it.each(['localhost', 'LOCALHOST:1', '127.0.0.1', '127.0.0.1:54123', '127.3.2.1', '[::1]', '[::1]:99', 'localhost:65535'])(
    '%s is let in',
    async (host) => expect(statusOf(await get(await startTestProxy(), [host]))).toBe(200),
  );

  it.each([
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'evil.example:54123',
    '[::ffff:127.0.0.1]',
    '[::2]',
    'localhost.',
    '127.0.0.1.',
    '0.0.0.0',
    '192.168.1.1',
    'user@127.0.0.1',
    '127.0.0.1@evil.example',
    'localhost/evil',
    'localhost evil',
    '127.0.0.1:80:80',
    '127.0.0.1, evil.example',
    '::1',
    '',
  ])('%j is refused', async (host) => {
    const proxy = await startTestProxy();
    for (const path of [PATH, '/healthz', '/']) {
      const text = await get(proxy, [host], path);
      expect(statusOf(text)).toBe(403);
      expect(text).toContain('forbidden_host');
    }
    expect(proxy.calls()).toHaveLength(0);
  });

  it('must be one and only one, also after a good one was seen', async () => {
    const proxy = await startTestProxy();
    expect(statusOf(await get(proxy, ['localhost']))).toBe(200);
    expect(statusOf(await get(proxy, ['localhost', 'evil.example']))).toBe(403);
    expect(statusOf(await get(proxy, ['localhost', 'localhost']))).toBe(403);
    expect(statusOf(await get(proxy, []))).toBe(400);
    expect(statusOf(await sendRaw(proxy.port, `GET ${PATH} HTTP/1.0\r\n\r\n`))).toBe(403);
    expect(statusOf(await get(proxy, ['evil.example']))).toBe(403);
  });

  it('may be a name of KMI_PROXY_ALLOWED_HOSTS', async () => {
    const proxy = await startTestProxy({ settings: { KMI_PROXY_ALLOWED_HOSTS: 'kmi.lan, *.home.arpa' } });
    const statuses: number[] = [];
    for (const host of ['kmi.lan:80', 'KMI.LAN', 'a.home.arpa', 'home.arpa', 'xkmi.lan', 'kmi.lan.evil']) {
      statuses.push(statusOf(await get(proxy, [host])));
    }
    expect(statuses).toEqual([200, 200, 200, 403, 403, 403]);
  });
});

describe('the Origin of a request', () => {
  it.each(['https://evil.example', 'http://localhost:54123', 'http://127.0.0.1:54123', 'null', ''])(
    '%j is refused',
    async (origin) => {
      const proxy = await startTestProxy();
      // A page may send this without asking first.
      const answer = await proxy.send('/chat/completions', { headers: { origin, 'content-type': 'text/plain' }, body: '{}' });
      expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([403, 'forbidden_origin']);
      expect(answer.rawHeaders.join()).not.toMatch(/access-control/i);
      expect(proxy.calls()).toHaveLength(0);
    },
  );

  it('may be one of KMI_PROXY_ALLOWED_ORIGINS', async () => {
    const proxy = await startTestProxy({ settings: { KMI_PROXY_ALLOWED_ORIGINS: 'https://app.example' } });
    expect((await proxy.send('/models', { method: 'GET', headers: { origin: 'https://app.example' } })).status).toBe(200);
    expect((await proxy.send('/models', { method: 'GET', headers: { origin: 'https://app.example.evil' } })).status).toBe(403);
  });
});

describe('the client token', () => {
  const settings = { KMI_PROXY_TOKEN: TOKEN };

  it.each([
    ['Bearer', { authorization: `Bearer ${TOKEN}` }],
    ['bearer in small letters', { authorization: `bearer  ${TOKEN} ` }],
    ['x-kmi-proxy-token', { 'x-kmi-proxy-token': TOKEN }],
    ['x-api-key', { 'x-api-key': TOKEN }],
    ['one right among wrong ones', { authorization: 'Bearer sk-something', 'x-api-key': TOKEN }],
  ])('is taken from %s', async (_, headers) => {
    const proxy = await startTestProxy({ settings });
    expect((await proxy.chat({}, { headers })).status).toBe(200);
    expect(proxy.calls()[0]?.rawHeaders.join()).not.toContain(TOKEN);
  });

  it.each([
    ['none', {}],
    ['a wrong one', { authorization: 'Bearer let-me-in' }],
    ['a longer one', { authorization: `Bearer ${TOKEN}x` }],
    ['another scheme', { authorization: `Basic ${TOKEN}` }],
    ['an empty one', { authorization: 'Bearer ', 'x-api-key': '' }],
    ['one beyond ASCII', { 'x-api-key': 'l\xe9t-me-in' }],
    ['two joined', { 'x-kmi-proxy-token': [TOKEN, TOKEN] }],
  ])('%s is refused with 401 in the protocol of the path', async (_, headers: Record<string, string | string[]>) => {
    const proxy = await startTestProxy({ settings });
    const openai = await proxy.chat({}, { headers });
    expect([openai.status, JSON.parse(openai.text).error.code]).toEqual([401, 'unauthorized']);
    const anthropic = await proxy.send('/messages?beta=true', { headers, body: '{}' });
    expect([anthropic.status, JSON.parse(anthropic.text).error.type]).toEqual([401, 'authentication_error']);
    expect(proxy.calls()).toHaveLength(0);
  });

  it.each([
    ['as UTF-8', 'utf8'],
    ['as latin1', 'latin1'],
  ] as const)('beyond ASCII is taken %s', async (_, encoding) => {
    const proxy = await startTestProxy({ settings: { KMI_PROXY_TOKEN: 'clé-ü' } });
    const head = (token: string) => `GET ${PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-api-key: ${token}\r\n\r\n`;
    expect(statusOf(await sendRaw(proxy.port, Buffer.from(head('clé-ü'), encoding)))).toBe(200);
    expect(statusOf(await sendRaw(proxy.port, Buffer.from(head('clé-ö'), encoding)))).toBe(401);
  });

  it('is not asked for by /healthz', async () => {
    const proxy = await startTestProxy({ settings });
    expect(statusOf(await get(proxy, ['localhost'], '/healthz'))).toBe(200);
  });
});

describe('the order of the checks', () => {
  it('is Host, token, rate limit, key', async () => {
    const settings = { KMI_PROXY_TOKEN: TOKEN, KMI_PROXY_MAX_RPM: '1' };
    const proxy = await startTestProxy({ settings, accounts: ['a'] });
    const good = { authorization: `Bearer ${TOKEN}` };
    // Neither a wrong Host nor a wrong token uses up the limit.
    expect((await proxy.chat({}, { headers: { host: 'evil.example', ...good } })).status).toBe(403);
    expect((await proxy.chat()).status).toBe(401);
    proxy.simulator.account('a').fail('quota_5h');
    expect((await proxy.chat({}, { headers: good })).status).toBe(403);
    // Limited before a key is looked for.
    const limited = await proxy.chat({}, { headers: good });
    expect([limited.status, JSON.parse(limited.text).error.code]).toEqual([429, 'rate_limited']);
    expect(proxy.calls()).toHaveLength(1);
    expect((await proxy.chat({}, { headers: { authorization: 'Bearer wrong' } })).status).toBe(401);
  });
});

it('the built binary wants the token, and keeps it to itself', async () => {
  const proxy = await startBinaryProxy({ settings: { KMI_PROXY_TOKEN: TOKEN } });
  expect((await proxy.chat()).status).toBe(401);
  expect((await proxy.chat({}, { headers: { authorization: `Bearer ${TOKEN}` } })).status).toBe(200);
  expect((await proxy.send('/models', { method: 'GET', headers: { host: 'evil.example' } })).status).toBe(403);
  expect(proxy.calls()[0]?.rawHeaders.join()).not.toContain(TOKEN);
  expect(proxy.kmi.output() + (await proxy.log())).not.toContain(TOKEN);
});
