import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { expect, test } from 'vitest';
import { probeProxy, proxyOrigin, proxyUrl } from '../../src/daemon/probe.ts';
import { cleanUp } from '../support/cleanup.ts';
import { freePort } from '../support/free-port.ts';
import { SELF_SIGNED } from '../support/self-signed.ts';

const OURS = {
  status: 'ok',
  name: 'kmi',
  version: '1.2.3',
  pid: 4711,
  uptime_seconds: 9,
  keys: { total: 3, ready: 1, cooldown: 1, out: 1 },
};

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp(async () => void server.close());
  return (server.address() as AddressInfo).port;
}

const target = (port: number, proxyTlsCert = '') => ({ proxyListen: { host: '127.0.0.1', port }, proxyTlsCert });
const answering = (listener: RequestListener) => listen(createHttpServer(listener));

test('our proxy is known by its answer', async () => {
  const asked: (string | undefined)[] = [];
  const port = await answering((request, response) => {
    asked.push(request.url, request.headers.authorization);
    response.end(JSON.stringify(OURS));
  });
  expect(await probeProxy(target(port))).toEqual({
    kind: 'running',
    pid: 4711,
    version: '1.2.3',
    uptimeSeconds: 9,
    keys: { total: 3, ready: 1, cooldown: 1, out: 1 },
  });
  expect(asked).toEqual(['/healthz', undefined]);
});

test.each([
  ['of an older version', { total: 3, ready: 1, resting: 1, out: 1 }],
  ['that says both for an older command', { total: 3, ready: 1, cooldown: 1, resting: 1, out: 1 }],
])('a proxy %s is known, too', async (_, keys) => {
  const port = await answering((_request, response) => void response.end(JSON.stringify({ ...OURS, keys })));
  expect(await probeProxy(target(port))).toMatchObject({ kind: 'running', keys: { total: 3, ready: 1, cooldown: 1, out: 1 } });
});

test('what it tells of itself is taken along, on one line; half of it counts as nothing', async () => {
  const told = { mode: 'live', requests: 7, rotation: 'sticky', upstream: 'https://a.example/\nv1' };
  const port = await answering((_request, response) => void response.end(JSON.stringify({ ...OURS, ...told })));
  const about = { mode: 'live', requests: 7, rotation: 'sticky', upstream: 'https://a.example/ v1' };
  expect(await probeProxy(target(port))).toMatchObject({ kind: 'running', about });
  for (const wrong of [{ mode: 'fast' }, { requests: -1 }]) {
    const other = await answering((_request, response) => void response.end(JSON.stringify({ ...OURS, ...told, ...wrong })));
    expect(await probeProxy(target(other))).not.toHaveProperty('about');
  }
});

test('a port nobody holds is nothing', async () => {
  expect(await probeProxy(target(await freePort()))).toEqual({ kind: 'nothing' });
});

test.each([
  ['another program that answers 200', JSON.stringify({ status: 'ok', name: 'grafana', pid: 1 })],
  ['a page', '<html></html>'],
  ['an answer that only claims the name', JSON.stringify({ name: 'kmi', pid: 'x' })],
  ['an answer without counts', JSON.stringify({ ...OURS, keys: { total: -1 } })],
  ['JSON that is no object', 'null'],
  ['an answer without end', 'x'.repeat(40_000)],
])('%s is a stranger', async (_, body) => {
  const port = await answering((_request, response) => void response.end(body));
  expect(await probeProxy(target(port))).toEqual({ kind: 'stranger', answer: 'HTTP 200' });
});

test('a program that hangs up, and one that speaks no HTTP, are strangers', async () => {
  const hangsUp = await listen(createServer((socket) => socket.once('data', () => socket.resetAndDestroy())));
  expect(await probeProxy(target(hangsUp))).toEqual({ kind: 'stranger', answer: 'a closed connection' });
  const smtp = await listen(createServer((socket) => void socket.on('error', () => undefined).end('220 mail ready\r\n')));
  expect(await probeProxy(target(smtp))).toEqual({ kind: 'stranger', answer: 'something that is not HTTP' });
});

test('one that says nothing, or stops in the middle, is not waited for', async () => {
  const silent = await listen(createServer((socket) => void socket.on('error', () => undefined)));
  expect(await probeProxy(target(silent), 30)).toEqual({ kind: 'unreachable', reason: 'no answer in time' });
  const stalls = await answering((_request, response) => void response.write('{'));
  expect(await probeProxy(target(stalls), 100)).toEqual({ kind: 'unreachable', reason: 'no answer in time' });
});

test('a host that does not exist cannot be reached', async () => {
  const config = { proxyListen: { host: 'kmi.invalid', port: 1 }, proxyTlsCert: '' };
  expect(await probeProxy(config, 10_000)).toMatchObject({ kind: 'unreachable' });
});

test('with TLS a self-made certificate is accepted, and plain HTTP on the port is a stranger', async () => {
  // The probe goes by the setting alone and does not read the file.
  const cert = '/certificate.pem';
  const server = createTlsServer(SELF_SIGNED, (_request, response) => void response.end(JSON.stringify(OURS)));
  expect(await probeProxy(target(await listen(server), cert), 5_000)).toMatchObject({ kind: 'running', pid: 4711 });
  const plain = await answering((_request, response) => void response.end());
  expect(await probeProxy(target(plain, cert), 5_000)).toMatchObject({ kind: 'stranger' });
});

test.each([
  ['127.0.0.1', '', 'http://127.0.0.1:54123'],
  ['0.0.0.0', '', 'http://127.0.0.1:54123'],
  ['::', '', 'http://[::1]:54123'],
  ['::1', '/cert.pem', 'https://[::1]:54123'],
])('a client of this machine reaches a proxy bound to %s (certificate %j) at %s', (host, proxyTlsCert, origin) => {
  const config = { proxyListen: { host, port: 54123 }, proxyTlsCert, proxyBasePath: '/kmi-rotor/v1' };
  expect(proxyOrigin(config)).toBe(origin);
  expect(proxyUrl(config)).toBe(`${origin}/kmi-rotor/v1`);
});
