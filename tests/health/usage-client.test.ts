import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { Agent } from 'undici';
import { describe, expect, it } from 'vitest';
import type { Key } from '../../src/core/keys/key.ts';
import { dryRunHealth, type FetchUsageOptions, fetchUsage as fetchUsageOver } from '../../src/health/usage-client.ts';
import { cleanUp } from '../support/cleanup.ts';
import { freePort } from '../support/free-port.ts';
import { keyNamed } from './keys.ts';

const NOW = Date.parse('2026-11-20T08:00:00Z');
const now = (): number => NOW;
const USAGE = { usage: { limit: '100', used: '26', resetTime: '2026-11-24T00:00:00Z' } };

const agent = new Agent();
const fetchUsage = (key: Key, options: Partial<FetchUsageOptions> = {}) =>
  fetchUsageOver(key, { now, dispatcher: () => agent, ...options });

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp(async () => {
    if ('closeAllConnections' in server) (server as ReturnType<typeof createServer>).closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/coding/v1`;
}

async function upstream(answer: RequestListener): Promise<{ baseUrl: string; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  return { baseUrl: await listen(server), requests };
}

function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

describe('a good answer', () => {
  it('becomes the usage of the key', async () => {
    const { baseUrl } = await upstream((_, response) => json(response, 200, USAGE));
    const health = await fetchUsage(keyNamed('a', { baseUrl }), { now });
    expect(health).toMatchObject({ status: 200, error: null, fetchedAt: NOW, usage: { remainingShare: 0.74 } });
    expect(health.retryAfterMs).toBeUndefined();
  });

  it('is asked for below the base URL of the key, with the credential and Accept and nothing of our own', async () => {
    const { baseUrl, requests } = await upstream((_, response) => json(response, 200, USAGE));
    const key = keyNamed('a', { baseUrl });
    await fetchUsage(key, { now });
    const [request] = requests;
    expect(request).toMatchObject({ method: 'GET', url: '/coding/v1/usages' });
    const { host, connection, ...headers } = request?.headers ?? {};
    expect(headers).toEqual({ authorization: `Bearer ${key.value}`, accept: 'application/json' });
  });

  it('comes over the pool it is given', async () => {
    const { baseUrl } = await upstream((_, response) => json(response, 200, USAGE));
    const origins: string[] = [];
    const agent = new Agent();
    cleanUp(() => agent.close());
    const dispatcher = (origin: string): Agent => {
      origins.push(origin);
      return agent;
    };
    const health = await fetchUsage(keyNamed('a', { baseUrl }), { now, dispatcher });
    expect(health.error).toBeNull();
    expect(origins).toEqual([new URL(baseUrl).origin]);
  });

  it('does not carry a key the upstream echoes in a label', async () => {
    const key = keyNamed('a', { value: 'no-usual-shape-1234' });
    const { baseUrl } = await upstream((_, response) =>
      json(response, 200, { usage: { limit: 1, used: 0, name: `of ${key.value}` } }),
    );
    const health = await fetchUsage({ ...key, baseUrl }, { now });
    expect(health.usage?.windows[0]?.label).toBe('of ***');
  });
});

describe('a bad answer', () => {
  it('names the status and the upstream message, on one line and without the key', async () => {
    const key = keyNamed('a', { value: 'no-usual-shape-1234' });
    const message = `Key ${key.value} or sk-kimi-abcdefgh of org-a1b2c3d4\nis \u001b[31mwrong ${'x'.repeat(400)}`;
    const { baseUrl } = await upstream((_, response) =>
      json(response, 401, { error: { message, type: 'invalid_authentication_error' } }),
    );
    const health = await fetchUsage({ ...key, baseUrl }, { now });
    expect(health).toMatchObject({ status: 401, usage: null });
    expect(health.error).toMatch(/^HTTP 401: Key \*\*\* or sk-\*\*\* of org-\*\*\* is \[31mwrong x+…$/);
    expect(health.error?.length).toBe('HTTP 401: '.length + 200);
  });

  it.each([
    [
      'an Anthropic envelope',
      403,
      JSON.stringify({ type: 'error', error: { type: 'permission_error', message: 'No.' } }),
      'HTTP 403: No.',
    ],
    ['a bare message', 500, JSON.stringify({ code: 5, message: 'internal' }), 'HTTP 500: internal'],
    ['an error in words', 500, JSON.stringify({ error: 'internal' }), 'HTTP 500: internal'],
    ['plain text', 502, 'Bad gateway\r\n', 'HTTP 502: Bad gateway'],
    [
      'HTML',
      502,
      '<!doctype html><title>502</title>',
      "HTTP 502: a page of the network or of a proxy on the way, not Kimi's answer",
    ],
    ['an empty body', 503, '', 'HTTP 503'],
    [
      'HTML with status 200',
      200,
      '<html>Log in</html>',
      "HTTP 200: a page of the network or of a proxy on the way, not Kimi's answer",
    ],
    ['an empty body with status 200', 200, '', 'not JSON'],
    ['JSON that is no usage', 200, '{"object":"list","data":[]}', 'no usage in the answer'],
  ])('says so: %s', async (_, status, body, error) => {
    const { baseUrl } = await upstream((_request, response) => response.writeHead(status).end(body));
    expect(await fetchUsage(keyNamed('a', { baseUrl }), { now })).toMatchObject({ status, error, usage: null });
  });

  it.each([
    ['120', 120_000],
    ['Fri, 20 Nov 2026 08:02:00 GMT', 120_000],
    ['soon', undefined],
  ])('passes on Retry-After: %s', async (header, retryAfterMs) => {
    const { baseUrl } = await upstream((_, response) => json(response, 429, {}, { 'retry-after': header }));
    const health = await fetchUsage(keyNamed('a', { baseUrl }), { now });
    expect(health.status).toBe(429);
    expect(health.retryAfterMs).toBe(retryAfterMs);
  });

  it('is not followed when it is a redirect, so the key goes nowhere else', async () => {
    const other = await upstream((_, response) => json(response, 200, USAGE));
    const { baseUrl } = await upstream((_, response) => response.writeHead(302, { location: `${other.baseUrl}/usages` }).end());
    const health = await fetchUsage(keyNamed('a', { baseUrl }), { now });
    expect(health).toMatchObject({
      status: 302,
      error: "HTTP 302: a redirect of the network or of a proxy on the way, not Kimi's answer",
      isForeign: true,
      usage: null,
    });
    expect(other.requests).toHaveLength(0);
  });

  it.each([200, 500])('is cut off at 1 MiB (status %i), and the upstream stops sending', async (status) => {
    let closed: Promise<unknown> | undefined;
    const { baseUrl } = await upstream((_, response) => {
      closed = once(response, 'close');
      response.writeHead(status);
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
        response.once('drain', more);
      };
      more();
    });
    const health = await fetchUsage(keyNamed('a', { baseUrl }), { now });
    expect(health.error).toMatch(status === 200 ? /^answer larger than 1 MiB$/ : /^HTTP 500: x+…$/);
    await closed;
  });
});

describe('no answer', () => {
  it('is a timeout when the upstream is silent', async () => {
    const { baseUrl } = await upstream(() => {});
    const health = await fetchUsage(keyNamed('a', { baseUrl }), { now, timeoutMs: 50 });
    expect(health).toEqual({ usage: null, error: 'timeout after 0.05 s', fetchedAt: NOW });
  });

  it('is a timeout when the upstream falls silent in the body', async () => {
    const { baseUrl } = await upstream((_, response) => response.writeHead(200).write('{"usage":'));
    const health = await fetchUsage(keyNamed('a', { baseUrl }), { now, timeoutMs: 200 });
    expect(health.error).toBe('timeout after 0.2 s');
  });

  it('is a refused connection', async () => {
    const baseUrl = `http://127.0.0.1:${await freePort()}/v1`;
    expect((await fetchUsage(keyNamed('a', { baseUrl }), { now })).error).toBe('connection refused (ECONNREFUSED)');
  });

  it('is a lost connection', async () => {
    const { baseUrl } = await upstream((request) => request.socket.destroy());
    expect((await fetchUsage(keyNamed('a', { baseUrl }), { now })).error).toBe('connection lost (UND_ERR_SOCKET)');
  });

  it('is something that does not speak HTTP', async () => {
    const baseUrl = await listen(createTcpServer((socket) => socket.end('SSH-2.0-other\r\n')));
    expect((await fetchUsage(keyNamed('a', { baseUrl }), { now })).error).toBe('the answer is not HTTP (HPE_INVALID)');
  });

  it('is a call that was cancelled, before or while it ran', async () => {
    const abort = new AbortController();
    const { baseUrl } = await upstream(() => abort.abort());
    expect((await fetchUsage(keyNamed('a', { baseUrl }), { now, signal: abort.signal })).error).toBe('cancelled');
    expect((await fetchUsage(keyNamed('a', { baseUrl }), { now, signal: AbortSignal.abort() })).error).toBe('cancelled');
  });

  it('is a key that fits in no header, and the key is not named', async () => {
    const key = keyNamed('a', { value: 'line\nbreak-secret' });
    const health = await fetchUsage(key, { now });
    expect(health.error).toContain('header');
    expect(health.error).not.toContain('secret');
  });

  it('is a base URL that is none', async () => {
    expect((await fetchUsage(keyNamed('a', { baseUrl: 'nowhere' }), { now })).error).toBe('ERR_INVALID_URL');
  });
});

it('dry-run has everything left', () => {
  expect(dryRunHealth(NOW)).toMatchObject({ usage: { remainingShare: 1 }, error: null, fetchedAt: NOW });
});
