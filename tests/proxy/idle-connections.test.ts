import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { CERTIFIED_HOST as HOST } from '../support/certificate.ts';
import { eventually } from '../support/eventually.ts';
import { listening, startConnectProxy, startNamedUpstream, startSocksProxy } from '../support/outgoing-proxy.ts';
import { startBinaryProxy, startTestProxy, type TestProxy } from '../support/proxy.ts';

/** What most servers allow is more; what kmi itself allowed once was 10 s. */
const PAUSE_MS = 11_000;

type Way = { readonly proxy: TestProxy; readonly connections: () => number };

/** An upstream on plain HTTP that lets connections be idle for so long. */
async function startUpstream(keepAliveMs: number, isAnnounced: boolean) {
  const server = createServer((request, response) => {
    // Node announces its time unless a program speaks of the connection itself.
    if (!isAnnounced) response.setHeader('connection', 'keep-alive');
    request.resume().on('end', () => response.end('{}'));
  });
  server.keepAliveTimeout = keepAliveMs;
  const seen = count(server);
  const port = await listening(server);
  return { url: `http://127.0.0.1:${port}/v1`, seen };
}

/** Counts connections, and how many of them are open. */
function count(server: Server) {
  const seen = { all: 0, open: 0 };
  server.on('connection', (socket: Socket) => {
    seen.all += 1;
    seen.open += 1;
    socket.on('close', () => {
      seen.open -= 1;
    });
  });
  return seen;
}

async function directly(isAnnounced: boolean): Promise<Way> {
  const { url, seen } = await startUpstream(75_000, isAnnounced);
  const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: url } });
  return { proxy, connections: () => seen.all };
}

async function throughTunnel(scheme: 'http' | 'socks5'): Promise<Way> {
  const upstream = await startNamedUpstream();
  upstream.server.keepAliveTimeout = 75_000;
  const { port } = await (scheme === 'http' ? startConnectProxy : startSocksProxy)(upstream.port);
  const proxy = await startBinaryProxy({
    settings: {
      KMI_UPSTREAM_BASE_URL: `https://${HOST}/coding/v1`,
      NODE_EXTRA_CA_CERTS: upstream.ca,
      HTTPS_PROXY: `${scheme}://127.0.0.1:${port}`,
    },
  });
  // The account has been asked for: nothing else is, so from the first chat on nobody but a chat needs a connection.
  await eventually(() => upstream.requests.length === 1 || undefined);
  return { proxy, connections: upstream.connections };
}

describe('an idle connection', () => {
  it('is kept as long as the server does, announced or not, over TLS and through tunnels', async () => {
    const ways = await Promise.all([directly(true), directly(false), throughTunnel('http'), throughTunnel('socks5')]);
    const chats = () => Promise.all(ways.map(async ({ proxy }) => (await proxy.chat()).status));
    const made = () => ways.map(({ connections }) => connections());
    expect(await chats()).toEqual(ways.map(() => 200));
    // A chat that came before the answer about the account was read has made a second one.
    const before = made();
    await delay(PAUSE_MS);
    expect(await chats()).toEqual(ways.map(() => 200));
    expect(made()).toEqual(before);
  }, 60_000);

  it.each([true, false])('that the server closes costs no client an error; announced: %s', async (isAnnounced) => {
    const { url, seen } = await startUpstream(1_000, isAnnounced);
    const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: url } });
    for (let n = 1; n <= 2; n++) {
      expect((await proxy.chat()).status).toBe(200);
      await eventually(() => seen.open === 0 || undefined, 20_000);
      expect(seen.all).toBe(n);
    }
    expect((await proxy.trace(2)).flatMap(({ tried = [] }) => tried)).toEqual([]);
  });

  it('is not used for a body that could not be sent again, should it be dead', async () => {
    const { url, seen } = await startUpstream(75_000, false);
    const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: url, KMI_PROXY_REPLAY_MAX_MB: '1' } });
    expect((await proxy.chat()).status).toBe(200);
    expect((await proxy.chat({ padding: 'x'.repeat(2_000_000) })).status).toBe(200);
    // And its own is not kept.
    await eventually(() => seen.open === 1 || undefined);
    expect((await proxy.chat()).status).toBe(200);
    expect(seen.all).toBe(2);
  });
});
