import { readFileSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:https';
import { describe, expect, it } from 'vitest';
import { CERTIFIED_HOST as HOST, writeCertificate } from '../support/certificate.ts';
import { startConnectProxy, startNamedUpstream, startSocksProxy } from '../support/outgoing-proxy.ts';
import { keyOf, startBinaryProxy, startTestProxy } from '../support/proxy.ts';

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
    // Node's warnings would show up here.
    expect(proxy.kmi.output()).not.toContain('Warning');
  });

  it('of SOCKS with a login', async () => {
    const upstream = await startNamedUpstream();
    const tunnel = await startSocksProxy(upstream.port, { user: 'me', password: 'p@ss/w:rd' });
    const proxy = await startBinaryProxy({
      settings: {
        KMI_UPSTREAM_BASE_URL: `https://${HOST}/coding/v1`,
        NODE_EXTRA_CA_CERTS: upstream.ca,
        ALL_PROXY: `socks5h://me:p%40ss%2Fw%3Ard@127.0.0.1:${tunnel.port}`,
      },
    });
    expect((await proxy.chat()).text).toBe('{"through":"tunnel"}');
  });

  it('that is spoken to over TLS itself', async () => {
    const upstream = await startNamedUpstream();
    const { cert, key } = writeCertificate();
    const tunnel = await startConnectProxy(upstream.port, createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }));
    const proxy = await startBinaryProxy({
      settings: {
        KMI_UPSTREAM_BASE_URL: `https://${HOST}/coding/v1`,
        NODE_EXTRA_CA_CERTS: upstream.ca,
        HTTPS_PROXY: `https://127.0.0.1:${tunnel.port}/`,
      },
    });
    expect((await proxy.chat()).text).toBe('{"through":"tunnel"}');
  });

  it.each([
    ['without a scheme', 'HTTPS_PROXY', (port: number) => `127.0.0.1:${port}`, ''],
    ['in quotes, in capitals, with a slash', 'https_proxy', (port: number) => ` "HTTP://127.0.0.1:${port}/" `, ''],
    ['with a login alone', 'KMI_UPSTREAM_PROXY', (port: number) => `me:p@ss/w%3Ard@127.0.0.1:${port}`, 'me:p@ss/w:rd'],
    ['with a user alone', 'all_proxy', (port: number) => `http://me@localhost:${port}`, 'me:'],
  ])('named %s', async (_, variable, value, login) => {
    const upstream = await startNamedUpstream();
    const tunnel = await startConnectProxy(upstream.port);
    const proxy = await startBinaryProxy({
      settings: {
        KMI_UPSTREAM_BASE_URL: `https://${HOST}/coding/v1`,
        NODE_EXTRA_CA_CERTS: upstream.ca,
        [variable]: value(tunnel.port),
      },
    });
    expect((await proxy.chat()).text).toBe('{"through":"tunnel"}');
    const credential = login === '' ? '' : ` Basic ${Buffer.from(login).toString('base64')}`;
    expect([...new Set(tunnel.asked)]).toEqual([`${HOST}:443${credential}`]);
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
