import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import { affordableConnections } from '../../src/proxy/gate/connections.ts';
import { writeCertificate } from '../support/certificate.ts';
import { cleanUp } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { sendRaw } from '../support/http-client.ts';
import { type BinaryProxy, chatBody, startBinaryProxy } from '../support/proxy.ts';
import { CHAT, MODELS, rawRequest, statusOf } from './raw.ts';

const HOST = 'Host: 127.0.0.1';

let proxy: BinaryProxy;
beforeAll(async () => {
  proxy = await startBinaryProxy({
    settings: { KMI_PROXY_HEADER_TIMEOUT_SECONDS: '1', KMI_PROXY_BODY_TIMEOUT_SECONDS: '1', KMI_PROXY_MAX_BODY_MB: '2' },
  });
});

/** Opens a connection and says `bytes`; it is closed with the test file. */
async function hold(port: number, bytes: string): Promise<{ socket: Socket; said: () => string; closed: Promise<unknown> }> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk) => {
    text += chunk;
  });
  socket.on('error', () => undefined);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  cleanUp(async () => void socket.destroy());
  await once(socket, 'connect');
  if (bytes !== '') socket.write(bytes);
  return { socket, said: () => text, closed };
}

describe('two readings of one request', () => {
  const SMUGGLED = `GET /kmi-rotor/v1/smuggled HTTP/1.1\r\n${HOST}\r\n\r\n`;
  const post = (...head: string[]) => `POST ${CHAT} HTTP/1.1\r\n${[HOST, ...head].join('\r\n')}\r\n\r\n`;
  it.each([
    ['Content-Length and Transfer-Encoding', `${post('Content-Length: 4', 'Transfer-Encoding: chunked')}0\r\n\r\n${SMUGGLED}`],
    [
      'Transfer-Encoding and Content-Length',
      `${post('Transfer-Encoding: chunked', `Content-Length: ${SMUGGLED.length + 5}`)}0\r\n\r\n${SMUGGLED}`,
    ],
    ['two lengths', post('Content-Length: 0', `Content-Length: ${SMUGGLED.length}`) + SMUGGLED],
    ['two lengths in one header', post(`Content-Length: 0, ${SMUGGLED.length}`) + SMUGGLED],
    ['a length with a sign', post('Content-Length: +0') + SMUGGLED],
    ['a negative length', post('Content-Length: -1') + SMUGGLED],
    ['a length in hexadecimal', post('Content-Length: 0x0') + SMUGGLED],
    ['an endless length', post('Content-Length: 99999999999999999999999') + SMUGGLED],
    ['a blank before the colon', post('Content-Length : 0', 'Transfer-Encoding : chunked') + SMUGGLED],
    ['a folded header', post('X-A: b', ' Transfer-Encoding: chunked', 'Content-Length: 0') + SMUGGLED],
    ['a folded Transfer-Encoding', `${post('Transfer-Encoding:', ' chunked', 'Content-Length: 5')}0\r\n\r\n${SMUGGLED}`],
    ['an unknown Transfer-Encoding', post('Transfer-Encoding: xchunked', 'Content-Length: 0') + SMUGGLED],
    ['chunked that is not last', post('Transfer-Encoding: chunked, identity', 'Content-Length: 0') + SMUGGLED],
    ['chunked twice', `${post('Transfer-Encoding: chunked', 'Transfer-Encoding: identity')}0\r\n\r\n${SMUGGLED}`],
    ['a vertical tab before chunked', post('Transfer-Encoding: \x0bchunked', 'Content-Length: 0') + SMUGGLED],
    ['bare line feeds', post('Content-Length: 0').replaceAll('\r\n', '\n') + SMUGGLED],
    ['a bare line feed in a header', post('X-A: b\nTransfer-Encoding: chunked', 'Content-Length: 0') + SMUGGLED],
    ['a bare carriage return in a header', post('X-A: b\rTransfer-Encoding: chunked', 'Content-Length: 0') + SMUGGLED],
    ['a NUL in a header', post('X-A: b\0', 'Content-Length: 0') + SMUGGLED],
    ['a chunk size that is none', `${post('Transfer-Encoding: chunked')}0x5\r\nhello\r\n0\r\n\r\n${SMUGGLED}`],
    ['a chunk size beyond all numbers', `${post('Transfer-Encoding: chunked')}fffffffffffffffff1\r\nx\r\n0\r\n\r\n${SMUGGLED}`],
    ['a chunk longer than it says', `${post('Transfer-Encoding: chunked')}1\r\nhello\r\n0\r\n\r\n${SMUGGLED}`],
    ['a chunk that ends in a bare line feed', `${post('Transfer-Encoding: chunked')}5\r\nhello\n0\r\n\r\n${SMUGGLED}`],
    ['a chunk extension with a line feed', `${post('Transfer-Encoding: chunked')}1;a\nb\r\nx\r\n0\r\n\r\n${SMUGGLED}`],
    ['HTTP/1.0 with chunks', `POST ${CHAT} HTTP/1.0\r\n${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    [
      'HTTP/1.0 with chunks on a connection that is kept',
      `POST ${CHAT} HTTP/1.0\r\n${HOST}\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    ],
    ['HTTP/0.9', `GET ${MODELS}\r\n${SMUGGLED}`],
    ['HTTP/2 without an upgrade', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['another version', `GET ${MODELS} HTTP/9.9\r\n${HOST}\r\n\r\n${SMUGGLED}`],
    ['a line of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['bytes that are nothing', '\x00\xff\xfe\r\n\r\n'],
  ])('%s is refused, and what it had begun upstream is cut off', async (_, bytes) => {
    const before = proxy.simulator.received.length;
    const text = await sendRaw(proxy.port, Buffer.from(bytes, 'latin1'));
    const answers = [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
    expect(answers.filter((status) => status < 400)).toEqual([]);
    expect(proxy.simulator.received.slice(before).map(({ path }) => path)).not.toContain('/coding/v1/smuggled');
    const begun = proxy.simulator.received.slice(before).filter(({ path }) => !/\/(?:me|usages)$/.test(path));
    await eventually(() => {
      expect(begun.filter(({ aborted, status }) => !aborted || status !== null)).toEqual([]);
      return true;
    });
  });

  it('of HTTP/1.0 with chunks nothing reaches the upstream, however fast it is', async () => {
    const before = proxy.calls().length;
    const head = `POST ${CHAT} HTTP/1.0\r\n${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n`;
    expect(statusOf(await sendRaw(proxy.port, `${head}0\r\n\r\n`))).toBe(400);
    expect(proxy.calls()).toHaveLength(before);
  });

  it('two whole requests in one go are two requests', async () => {
    const one = `GET ${MODELS} HTTP/1.1\r\n${HOST}\r\n`;
    const before = proxy.calls().length;
    const text = await sendRaw(proxy.port, `${one}\r\n${one}Connection: close\r\n\r\n`);
    expect(text.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
    expect(proxy.calls()).toHaveLength(before + 2);
  });
});

describe('too much', () => {
  it.each([
    ['one header', [`X-A: ${'x'.repeat(100_000)}`]],
    ['many headers', Array.from({ length: 5_000 }, (_, n) => `X-${n}: ${'x'.repeat(20)}`)],
    ['a path', []],
  ])('of %s is refused with 431', async (name, head) => {
    const line = name === 'a path' ? `GET ${MODELS}?${'x'.repeat(100_000)}` : `GET ${MODELS}`;
    const before = proxy.calls().length;
    expect([414, 431]).toContain(statusOf(await rawRequest(proxy.port, line, [HOST, ...head])));
    expect(proxy.calls()).toHaveLength(before);
  });

  it('of a body, announced or not, is refused with 413', async () => {
    const announced = await rawRequest(proxy.port, `POST ${CHAT}`, [HOST, `Content-Length: ${50 * 1024 * 1024}`]);
    expect(statusOf(announced)).toBe(413);
    const answer = await proxy.send('/chat/completions', {
      headers: { 'transfer-encoding': 'chunked' },
      body: Buffer.alloc(3 * 1024 * 1024, 'x'),
    });
    expect(answer.status).toBe(413);
  });
});

describe('too slow', () => {
  it('a head that does not come to its end is given up, byte by byte or silent', async () => {
    const silent = await hold(proxy.port, '');
    const slow = await hold(proxy.port, `GET ${MODELS} HTTP/1.1\r\n${HOST}\r\nX-A: `);
    const drip = setInterval(() => slow.socket.writable && slow.socket.write('x'), 100);
    cleanUp(async () => clearInterval(drip));
    await Promise.all([silent.closed, slow.closed]);
    clearInterval(drip);
    expect([statusOf(slow.said()), statusOf(silent.said())]).toEqual([408, 408]);
  }, 10_000);

  it('a body that stops is answered with 408; one that keeps moving is served', async () => {
    const body = chatBody();
    const head = (length: number) =>
      `POST ${CHAT} HTTP/1.1\r\n${HOST}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;
    const before = proxy.calls().length;
    const small = await hold(proxy.port, head(body.length) + body.slice(0, 10));
    const large = await hold(proxy.port, head(1_000_000) + body.slice(0, 10));
    const moving = await hold(proxy.port, head(body.length));
    for (const part of body.match(/.{1,20}/gs) ?? []) {
      moving.socket.write(part);
      await delay(350);
    }
    await Promise.all([small.closed, large.closed]);
    expect([statusOf(small.said()), statusOf(large.said())]).toEqual([408, 408]);
    await eventually(() => expect(statusOf(moving.said())).toBe(200));
    expect(
      proxy
        .calls()
        .slice(before)
        .filter(({ aborted, status }) => !aborted && status === 200),
    ).toHaveLength(1);
  }, 20_000);
});

const openFiles = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 1024);
const megabytesOf = (pid: number) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

describe('idle connections', () => {
  it('by the thousands do not keep others from being served, and memory stays bounded', async () => {
    const own = await startBinaryProxy();
    const pid = own.kmi.child.pid as number;
    const kept = await hold(own.port, `GET /healthz HTTP/1.1\r\n${HOST}\r\n\r\n`);
    await eventually(() => expect(statusOf(kept.said())).toBe(200));
    const before = megabytesOf(pid);
    const count = Math.min(10_000, openFiles - 500);
    const sockets: Socket[] = [];
    cleanUp(async () => {
      for (const socket of sockets) socket.destroy();
    });
    for (let n = 0; n < count; n += 500) {
      const batch = Array.from({ length: Math.min(500, count - n) }, () =>
        connect(own.port, '127.0.0.1').on('error', () => undefined),
      );
      sockets.push(...batch);
      await Promise.all(batch.map((socket) => once(socket, 'connect')));
      if (n % 2_500 === 0) expect((await own.chat()).status).toBe(200);
    }
    expect((await own.chat({ stream: true })).text).toContain('[DONE]');
    // Who has asked before goes last.
    kept.socket.write(`GET /healthz HTTP/1.1\r\n${HOST}\r\n\r\n`);
    await eventually(() => expect(kept.said().match(/HTTP\/1\.1 200/g)).toHaveLength(2));
    await eventually(() =>
      expect(sockets.filter((socket) => !socket.destroyed).length).toBeLessThanOrEqual(Math.min(count, 4096)),
    );
    expect(megabytesOf(pid) - before).toBeLessThan(200);
  }, 40_000);

  it.each(['http', 'https'])(
    'over %s: the oldest silent one makes room, then a waiting one, never one at work',
    async (scheme) => {
      const { cert, key } = writeCertificate();
      const tls = scheme === 'https';
      const settings = { KMI_PROXY_MAX_CONNECTIONS: '3', ...(tls ? { KMI_PROXY_TLS_CERT: cert, KMI_PROXY_TLS_KEY: key } : {}) };
      const own = await startBinaryProxy({ settings });
      own.simulator.account('a').fail('hang');
      const begin = async (bytes: string) => {
        if (!tls) return hold(own.port, bytes);
        const socket = connectTls({ port: own.port, host: '127.0.0.1', rejectUnauthorized: false });
        let text = '';
        socket.setEncoding('latin1').on('data', (chunk) => {
          text += chunk;
        });
        socket.on('error', () => undefined);
        const closed = new Promise((resolve) => socket.once('close', resolve));
        cleanUp(async () => void socket.destroy());
        await Promise.race([once(socket, 'secureConnect').catch(() => undefined), closed]);
        if (bytes !== '') socket.write(bytes);
        return { socket, said: () => text, closed };
      };
      const healthz = `GET /healthz HTTP/1.1\r\n${HOST}\r\n\r\n`;
      const busy = `GET ${MODELS} HTTP/1.1\r\n${HOST}\r\n\r\n`;
      const works = async (count: number) => own.simulator.waitFor(() => own.calls().length === count);
      await begin(busy);
      await works(1);
      const waiting = await begin(healthz);
      await eventually(() => expect(statusOf(waiting.said())).toBe(200));
      const silent = await begin('');
      await begin(busy);
      await works(2);
      await silent.closed;
      expect(waiting.socket.destroyed).toBe(false);
      await begin(busy);
      await works(3);
      await waiting.closed;
      const refused = await begin(busy);
      await refused.closed;
      expect(own.calls().map(({ aborted }) => aborted)).toEqual([false, false, false]);
    },
  );

  it('are no more than the system lets the process open', () => {
    expect(affordableConnections(4096, 1024)).toBe(448);
    expect(affordableConnections(4096, 20_000)).toBe(4096);
    expect(affordableConnections(0, 1024)).toBe(0);
    expect(affordableConnections(100, null)).toBe(100);
  });
});
