import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { keyOf, openChat, startTestProxy } from '../support/proxy.ts';
import { startRawUpstream } from '../support/raw-upstream.ts';

describe('connections to the upstream', () => {
  it('that died while idle are replaced within the request, and no key is blamed', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'] });
    for (let n = 0; n < 3; n++) {
      expect((await proxy.chat()).status).toBe(200);
      proxy.simulator.resetConnections();
    }
    expect((await proxy.chat()).status).toBe(200);
    expect(proxy.served()).toBe('a a a a');
    expect((await proxy.state(({ keys }) => keys.a?.request_count === 4)).keys.a).toMatchObject({ error_5xx: 0 });
  });

  it('that die as the request arrives are replaced as well', async () => {
    // The second request on a connection meets its end, as after a keep-alive race.
    const seen = new Set<unknown>();
    const upstream = await startRawUpstream((socket) => {
      if (seen.has(socket)) socket.resetAndDestroy();
      else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}');
      seen.add(socket);
    });
    const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl } });
    for (let n = 0; n < 4; n++) expect((await proxy.chat()).status).toBe(200);
    expect((await proxy.state(({ keys }) => keys.a?.request_count === 4)).keys.a).toMatchObject({ error_5xx: 0 });
  });

  it('are renewed after a sleep of the machine; open streams go on', async () => {
    const proxy = await startTestProxy({ simulator: { behaviour: { chunkPauseMs: 30, chunks: 10 } } });
    const incoming = await openChat(proxy).response;
    await once(incoming, 'data');
    proxy.serving.proxy.upstreams.renewAll();
    let text = '';
    for await (const chunk of incoming) text += chunk;
    expect(text).toContain('[DONE]');
    expect((await proxy.chat()).status).toBe(200);
    expect(proxy.simulator.connectionsEver).toBe(2);
    await proxy.simulator.waitFor(() => proxy.simulator.connections === 1);
  });
});

describe('an upstream that cannot be reached', () => {
  it('because nobody listens sends the request to the next key', async () => {
    const port = await freePort();
    const proxy = await startTestProxy({
      accounts: ['a', 'b'],
      writeKeys: async (home) => {
        await home.addKey({ label: 'a', key: keyOf('a'), baseUrl: `http://127.0.0.1:${port}/v1` });
        await home.addKey({ label: 'b', key: keyOf('b') });
      },
    });
    expect((await proxy.chat()).status).toBe(200);
    expect(proxy.served()).toBe('b');
    expect((await proxy.state(({ keys }) => keys.a?.exhausted_until != null)).keys.a).toMatchObject({
      exhausted_reason: 'upstream',
      error_5xx: 1,
    });
    expect((await proxy.trace(1))[0]).toMatchObject({
      key_label: 'b',
      tried: [{ key_label: 'a', status: null, verdict: 'broken' }],
    });
  });

  it('is a 502 that names the reason and no address', async () => {
    const port = await freePort();
    const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: `http://127.0.0.1:${port}/v1` } });
    const answer = await proxy.chat();
    expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([502, 'upstream_unreachable']);
    expect(answer.text).toContain('ECONNREFUSED');
    expect(answer.text).not.toContain(String(port));
    const anthropic = await proxy.send('/messages', { body: '{}' });
    expect(JSON.parse(anthropic.text)).toMatchObject({ type: 'error', error: { type: 'api_error' } });
  });

  it('because its name is unknown is a 502', async () => {
    const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: 'https://no-such-host.invalid/v1' } });
    expect((await proxy.chat()).status).toBe(502);
  });

  it('because it accepts and says nothing is given up on after the connect timeout', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const proxy = await startTestProxy({
      settings: { KMI_UPSTREAM_BASE_URL: `https://127.0.0.1:${port}/v1` },
      config: { proxyConnectTimeoutSeconds: 0.2 },
    });
    const startedAt = performance.now();
    expect((await proxy.chat()).status).toBe(502);
    expect(performance.now() - startedAt).toBeLessThan(8000);
    silent.close();
  });
});
