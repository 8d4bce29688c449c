import { describe, expect, it } from 'vitest';
import { VERSION } from '../../src/version.ts';
import { send } from '../support/http-client.ts';
import { keyOf, startBinaryProxy, startTestProxy, type TestProxy } from '../support/proxy.ts';

const healthz = async (proxy: TestProxy, method = 'GET') => send(`http://127.0.0.1:${proxy.port}/healthz`, { method });

describe('/healthz', () => {
  it('says what the proxy is and how its keys are, and no secret', async () => {
    const proxy = await startBinaryProxy({ accounts: ['a', 'b', 'c'], settings: { KMI_PROXY_TOKEN: 'the-token' } });
    const answer = await healthz(proxy);
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toEqual({
      status: 'ok',
      name: 'kmi',
      version: VERSION,
      pid: proxy.kmi.child.pid,
      uptime_seconds: expect.any(Number),
      mode: 'live',
      rotation: null,
      upstream: expect.stringMatching(/^http:\/\/127\.0\.0\.1:/),
      requests: 0,
      keys: { total: 3, ready: 3, cooldown: 0, resting: 0, out: 0 },
      next_key_hash: expect.stringMatching(/^[0-9a-f]{12}$/),
    });
    for (const secret of ['the-token', keyOf('a'), 'sk-']) expect(answer.text).not.toContain(secret);
    expect(proxy.calls()).toHaveLength(0);
  });

  it('counts keys on cooldown, under the older name as well, and keys that are out', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b', 'c', 'd'] });
    proxy.simulator.account('a').fail('rate_limited');
    proxy.simulator.account('b').fail('invalid_key');
    proxy.simulator.account('c').fail('internal');
    expect((await proxy.chat()).status).toBe(200);
    expect(JSON.parse((await healthz(proxy)).text).keys).toEqual({ total: 4, ready: 1, cooldown: 2, resting: 2, out: 1 });
  });

  it('counts what came under the base path, refused requests too, and names the rotation', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], autoRotate: true, settings: { KMI_PROXY_TOKEN: 'the-token' } });
    expect((await proxy.chat()).status).toBe(401);
    expect((await proxy.chat({}, { headers: { 'x-api-key': 'the-token' } })).status).toBe(200);
    await send(`http://127.0.0.1:${proxy.port}/elsewhere`, { method: 'GET' });
    expect(JSON.parse((await healthz(proxy)).text)).toMatchObject({ requests: 2, rotation: 'round-robin' });
  });

  it.each([
    ['other machines can ask', { KMI_PROXY_LISTEN: '0.0.0.0:0', KMI_PROXY_ALLOW_REMOTE: '1', KMI_PROXY_REQUIRE_TLS: '0' }],
    ['a server in front brings others here', { KMI_PROXY_TLS_TERMINATED: '1' }],
  ])('does not name the upstream where %s', async (_, settings) => {
    const proxy = await startTestProxy({ settings: { KMI_PROXY_TOKEN: 'the-token', ...settings } });
    expect(JSON.parse((await healthz(proxy)).text)).not.toHaveProperty('upstream');
  });

  it('answers HEAD, and nothing but GET and HEAD', async () => {
    const proxy = await startTestProxy();
    expect((await healthz(proxy, 'HEAD')).status).toBe(200);
    expect((await healthz(proxy, 'POST')).status).toBe(404);
  });
});
