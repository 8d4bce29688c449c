import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { open } from '../support/http-client.ts';
import { openChat, startBinaryProxy, startTestProxy } from '../support/proxy.ts';
import { type RawUpstream, startRawUpstream } from '../support/raw-upstream.ts';

const MB = 1024 * 1024;
/** What the sockets and streams between two ends may hold. */
const IN_FLIGHT_MAX = 24 * MB;

/** The count once it has stopped growing: over several looks, as a machine with other work to do may stand still for one. */
async function settled(count: () => number): Promise<number> {
  for (let last = -1, same = 0; ; ) {
    const now = count();
    same = now === last && now > 0 ? same + 1 : 0;
    if (same === STILL_LOOKS) return now;
    last = now;
    await delay(100);
  }
}

const STILL_LOOKS = 5;

/** Sends a stream that goes on for 300 MB, as fast as it is read. */
function sendMuch(socket: Socket): void {
  const chunk = Buffer.alloc(MB, 'x');
  socket.write(`HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: ${300 * MB}\r\n\r\n`);
  const more = () => {
    while (socket.bytesWritten < 300 * MB && socket.write(chunk));
  };
  socket.on('drain', more);
  more();
}

/** What has left the upstream. */
const sentBy = ({ sockets }: RawUpstream) =>
  sockets.reduce((sum, { bytesWritten, writableLength }) => sum + bytesWritten - writableLength, 0);

it('a client that does not read stops the upstream from sending', async () => {
  const upstream = await startRawUpstream(sendMuch);
  const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl } });
  const { request, response } = openChat(proxy);
  const incoming = await response;
  incoming.pause();
  const sent = () => sentBy(upstream);
  expect(await settled(sent)).toBeLessThan(IN_FLIGHT_MAX);
  // And goes on when it reads again.
  const before = sent();
  incoming.resume();
  await expect.poll(sent, { timeout: 5000 }).toBeGreaterThan(before + 50 * MB);
  request.destroy();
});

it.each([
  ['announced', { 'content-length': String(100 * MB) }],
  ['chunked', { 'transfer-encoding': 'chunked' }],
])('an upstream that does not read stops the client from sending a body too large to be held (%s)', async (_, headers) => {
  const upstream = await startRawUpstream(() => undefined, { reads: false });
  const proxy = await startTestProxy({
    settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl, KMI_PROXY_REPLAY_MAX_MB: '1' },
  });
  const { request } = open(`${proxy.url}/files`, { headers });
  request.on('error', () => undefined);
  let written = 0;
  const chunk = Buffer.alloc(MB / 4);
  const more = () => {
    while (written < 100 * MB) {
      written += chunk.length;
      if (!request.write(chunk)) return;
    }
  };
  request.on('drain', more);
  more();
  expect(await settled(() => written)).toBeLessThan(IN_FLIGHT_MAX);
  request.destroy();
});

it('the silence of a slow reader is not held against the upstream', async () => {
  const upstream = await startRawUpstream((socket) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${40 * MB}\r\n\r\n`);
    for (let n = 0; n < 40; n++) socket.write(Buffer.alloc(MB));
  });
  const proxy = await startTestProxy({
    settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl },
    config: { proxyIdleTimeoutSeconds: 0.2 },
  });
  const { response } = openChat(proxy);
  const incoming = await response;
  incoming.pause();
  await delay(600);
  let bytes = 0;
  for await (const chunk of incoming) bytes += (chunk as Buffer).length;
  expect(bytes).toBe(40 * MB);
  expect((await proxy.trace(1))[0]).toMatchObject({ error_code: null });
});

/** From /proc where there is one: a small container has no `ps`. */
function residentBytes(pid: number): number {
  if (process.platform !== 'linux') return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)]).toString()) * 1024;
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

it.skipIf(process.platform === 'win32')('the memory of the built binary stays small when neither end reads', async () => {
  const upstream = await startRawUpstream((socket, _head, number) => {
    if (number === 0) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}');
    else sendMuch(socket);
  });
  const proxy = await startBinaryProxy({
    settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl, KMI_PROXY_REPLAY_MAX_MB: '1' },
  });
  const rss = () => residentBytes(proxy.kmi.child.pid as number);
  expect((await proxy.chat({ stream: true })).status).toBe(200);
  const before = rss();
  const sentBefore = sentBy(upstream);
  const opened = await Promise.all([1, 2, 3].map(() => openChat(proxy).response));
  for (const incoming of opened) incoming.pause();
  expect((await settled(() => sentBy(upstream) - sentBefore)) / opened.length).toBeLessThan(IN_FLIGHT_MAX);
  expect(rss() - before).toBeLessThan(120 * MB);
  for (const incoming of opened) incoming.destroy();
});
