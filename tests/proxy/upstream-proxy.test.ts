import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { CERTIFIED_HOST as HOST, writeCertificate } from '../support/certificate.ts';
import { cleanUp } from '../support/cleanup.ts';
import { keyOf, startBinaryProxy, startTestProxy } from '../support/proxy.ts';

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** An upstream with a name only the tunnel knows. */
async function startNamedUpstream() {
  const files = writeCertificate();
  const requests: string[] = [];
  const server = createTlsServer({ cert: readFileSync(files.cert), key: readFileSync(files.key) }, (request, response) => {
    requests.push(`${request.headers.host} ${request.url} ${request.headers.authorization}`);
    request.resume().on('end', () => response.end('{"through":"tunnel"}'));
  });
  return { port: await listening(server), ca: files.cert, requests };
}

/** A CONNECT proxy that leads every name to one port. */
async function startConnectProxy(target: number) {
  const asked: string[] = [];
  const server = createHttpServer((_, response) => response.writeHead(405).end());
  server.on('connect', (request, socket: Socket) => {
    asked.push(`${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim());
    const onward = connect(target, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    for (const end of [socket, onward]) end.on('error', () => undefined);
  });
  return { port: await listening(server), asked };
}

/** A SOCKS5 proxy without authentication (RFC 1928) that leads every name to one port. */
async function startSocksProxy(target: number) {
  const asked: string[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write(Buffer.from([5, 0]));
      socket.once('data', (request: Buffer) => {
        asked.push(request.subarray(5, 5 + (request[4] ?? 0)).toString());
        const onward = connect(target, '127.0.0.1', () => {
          socket.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
          onward.pipe(socket).pipe(onward);
        });
        onward.on('error', () => undefined);
      });
    });
  });
  return { port: await listening(server), asked };
}

describe('upstream calls through a proxy, by the built binary', () => {
  it.each(['KMI_UPSTREAM_PROXY', 'HTTPS_PROXY'])('of HTTP, named by %s', async (variable) => {
    const upstream = await startNamedUpstream();
    const tunnel = await startConnectProxy(upstream.port);
    const proxy = await startBinaryProxy({
      settings: {
        KMI_UPSTREAM_BASE_URL: `https://${HOST}/coding/v1`,
        NODE_EXTRA_CA_CERTS: upstream.ca,
        [variable]: `http://user:pass@127.0.0.1:${tunnel.port}`,
      },
    });
    const answer = await proxy.chat();
    expect([answer.status, answer.text]).toEqual([200, '{"through":"tunnel"}']);
    // The accounts are asked for in the background, over a tunnel of their own or the same.
    expect([...new Set(tunnel.asked)]).toEqual([`${HOST}:443 Basic ${Buffer.from('user:pass').toString('base64')}`]);
    expect(upstream.requests.filter((request) => !request.includes('/v1/me '))).toEqual([
      `${HOST} /coding/v1/chat/completions Bearer ${keyOf('a')}`,
    ]);
    expect(proxy.kmi.output() + (await proxy.log())).not.toContain('pass');
  });

  it('of SOCKS, which gets the name and not an address', async () => {
    const upstream = await startNamedUpstream();
    const tunnel = await startSocksProxy(upstream.port);
    const proxy = await startBinaryProxy({
      settings: {
        KMI_UPSTREAM_BASE_URL: `https://${HOST}/coding/v1`,
        NODE_EXTRA_CA_CERTS: upstream.ca,
        KMI_UPSTREAM_PROXY: `socks5://127.0.0.1:${tunnel.port}`,
      },
    });
    expect((await proxy.chat()).text).toBe('{"through":"tunnel"}');
    expect([...new Set(tunnel.asked)]).toEqual([HOST]);
  });
});

it('a loopback upstream is called directly, whatever the settings say', async () => {
  const settings = {
    KMI_UPSTREAM_PROXY: 'http://127.0.0.1:1',
    HTTPS_PROXY: 'http://127.0.0.1:1',
    ALL_PROXY: 'http://127.0.0.1:1',
  };
  const proxy = await startTestProxy({ settings });
  expect((await proxy.chat()).status).toBe(200);
});

it('a proxy that cannot be reached is a 502 without its password', async () => {
  const settings = { KMI_UPSTREAM_BASE_URL: `https://${HOST}/v1`, KMI_UPSTREAM_PROXY: 'http://user:hunter2@127.0.0.1:1' };
  const proxy = await startTestProxy({ settings });
  const answer = await proxy.chat();
  expect(answer.status).toBe(502);
  expect(answer.text + (await proxy.log())).not.toContain('hunter2');
});
