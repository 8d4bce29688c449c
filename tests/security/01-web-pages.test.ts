import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeAll, describe, expect, it } from 'vitest';
import { cleanUp } from '../support/cleanup.ts';
import { type BinaryProxy, startBinaryProxy } from '../support/proxy.ts';
import { ATTACKS, serveAttackPage } from './attack-page.ts';
import { CHROMIUM, openPage } from './chromium.ts';
import { CHAT, MODELS, rawRequest, statusOf } from './raw.ts';

let proxy: BinaryProxy;
beforeAll(async () => {
  proxy = await startBinaryProxy();
});

const LOOPBACK = 'host: 127.0.0.1';
const ask = (line: string, head: readonly string[], body = '') => rawRequest(proxy.port, line, head, body);
const noCors = (text: string) => expect(text.toLowerCase()).not.toContain('access-control-');

describe('DNS rebinding', () => {
  it.each([
    'evil.example',
    'evil.example:54123',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'EVIL.EXAMPLE',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    'localhost.',
    '127.0.0.1.',
    '127.1',
    '2130706433',
    '0x7f.0.0.1',
    '0177.0.0.1',
    '0.0.0.0',
    'localhost%00.evil.example',
    'evil.example#localhost',
    'localhost@evil.example',
    '',
  ])('the Host %j is refused', async (host) => {
    for (const path of [MODELS, '/healthz', '/']) {
      const text = await ask(`GET ${path}`, [`host: ${host}`]);
      expect([400, 403]).toContain(statusOf(text));
      noCors(text);
    }
    expect(proxy.calls()).toHaveLength(0);
  });

  it.each([
    ['no Host', []],
    ['two Hosts', [LOOPBACK, 'host: evil.example']],
    ['two Hosts, the good one last', ['host: evil.example', LOOPBACK]],
    ['a folded Host', ['host: 127.0.0.1\r\n evil.example']],
    [
      'a Host of somebody else behind a forwarding header',
      ['host: evil.example', 'x-forwarded-host: 127.0.0.1', 'forwarded: host=127.0.0.1'],
    ],
  ])('%s is refused', async (_, head) => {
    expect([400, 403]).toContain(statusOf(await ask(`GET ${MODELS}`, head)));
    expect(proxy.calls()).toHaveLength(0);
  });

  it.each([`http://evil.example${MODELS}`, `http://127.0.0.1${MODELS}`, `//evil.example${MODELS}`, 'evil.example:443', '*'])(
    'a request line with %j goes nowhere',
    async (target) => {
      const statuses = await Promise.all(
        ['GET', 'CONNECT'].map(async (method) => statusOf(await ask(`${method} ${target}`, [LOOPBACK]))),
      );
      for (const status of statuses) expect([0, 400, 404]).toContain(status);
      expect(proxy.calls()).toHaveLength(0);
    },
  );

  it.each(['127.0.0.1', 'LocalHost', '[::1]', '127.0.0.1:1'])('the Host %j is a program of this machine', async (host) => {
    expect(statusOf(await ask('GET /healthz', [`host: ${host}`]))).toBe(200);
  });
});

describe('cross-site requests', () => {
  it.each([
    ['a text/plain POST', `POST ${CHAT}`, ['origin: https://evil.example', 'content-type: text/plain']],
    ['a form POST', `POST ${CHAT}`, ['origin: https://evil.example', 'content-type: application/x-www-form-urlencoded']],
    ['a POST of a sandboxed frame', `POST ${CHAT}`, ['origin: null', 'content-type: text/plain']],
    ['another port of this machine', `POST ${CHAT}`, ['origin: http://localhost:3000']],
    ['the proxy over another scheme', `POST ${CHAT}`, ['origin: https://127.0.0.1']],
    ['an extension', `POST ${CHAT}`, ['origin: chrome-extension://abcdefgh']],
    [
      'a preflight',
      `OPTIONS ${CHAT}`,
      ['origin: https://evil.example', 'access-control-request-method: POST', 'access-control-request-private-network: true'],
    ],
    [
      'a WebSocket',
      `GET ${MODELS}`,
      [
        'origin: https://evil.example',
        'upgrade: websocket',
        'sec-websocket-version: 13',
        'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==',
      ],
    ],
    [
      'a GET without Origin, as images and links make it',
      `GET ${MODELS}`,
      ['sec-fetch-site: cross-site', 'sec-fetch-mode: no-cors', 'sec-fetch-dest: image'],
    ],
    ['a GET of another port of this machine', `GET ${MODELS}`, ['sec-fetch-site: same-site', 'sec-fetch-mode: no-cors']],
    ['a link that leads here', `GET ${MODELS}`, ['sec-fetch-site: cross-site', 'sec-fetch-mode: navigate', 'sec-fetch-user: ?1']],
    ['two sites at once', `GET ${MODELS}`, ['sec-fetch-site: same-origin', 'sec-fetch-site: cross-site']],
  ])('%s is refused, without CORS headers', async (_, line, head) => {
    for (const path of [line, line.replace(/\/kmi-rotor\S+/, '/healthz')]) {
      const text = await ask(path, [LOOPBACK, ...head, 'content-length: 2'], '{}');
      expect(statusOf(text)).toBe(403);
      expect(text).toContain('forbidden_origin');
      noCors(text);
    }
    expect(proxy.calls()).toHaveLength(0);
  });

  it('a program, and what a person types into the address bar, is served', async () => {
    expect(statusOf(await ask(`GET ${MODELS}`, [LOOPBACK]))).toBe(200);
    expect(statusOf(await ask(`GET ${MODELS}`, [LOOPBACK, 'sec-fetch-site: none', 'sec-fetch-mode: navigate']))).toBe(200);
    expect(statusOf(await ask(`GET ${MODELS}`, [LOOPBACK, 'sec-fetch-mode: cors']))).toBe(200);
    expect(proxy.calls()).toHaveLength(3);
  });
});

it.skipIf(CHROMIUM === null)(
  'a page of another origin in a real Chromium can neither read anything nor reach the upstream',
  async () => {
    const before = proxy.simulator.received.length;
    // The same attacks against a server that minds nothing show that they arrive.
    const arrived = new Set<string>();
    const recorder = createServer((request, response) => {
      arrived.add(/attack=([a-z-]+)/.exec(request.url ?? '')?.[1] ?? '');
      response.setHeader('access-control-allow-origin', '*').end('the secret');
    });
    recorder.on('upgrade', (request, socket) => {
      arrived.add(/attack=([a-z-]+)/.exec(request.url ?? '')?.[1] ?? '');
      socket.destroy();
    });
    recorder.listen(0, '127.0.0.1');
    await once(recorder, 'listening');
    cleanUp(async () => {
      recorder.closeAllConnections();
      recorder.close();
    });
    const control = `http://127.0.0.1:${(recorder.address() as AddressInfo).port}`;
    const targets = [...['127.0.0.1', 'localhost', 'rebound.test'].map((host) => `http://${host}:${proxy.port}`), control];
    const page = await serveAttackPage(targets, CHAT.replace('chat/completions', 'models'));
    await openPage(`http://evil.test:${page.port}/`);
    const findings = await page.findings;
    // Whether a browser prefetches is its own decision.
    const expected = ATTACKS.filter((attack) => attack !== 'link-prefetch');
    expect(expected.filter((attack) => !arrived.has(attack))).toEqual([]);
    expect(findings.filter(({ target }) => target === control).map(({ read }) => read)).toContain('200 the secret');
    expect(findings.filter(({ target }) => target !== control)).toEqual([]);
    expect(proxy.simulator.received.slice(before)).toEqual([]);
  },
  60_000,
);
