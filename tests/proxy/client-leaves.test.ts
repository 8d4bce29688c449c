import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { open } from '../support/http-client.ts';
import { openChat, startBinaryProxy, startTestProxy, type TestProxy } from '../support/proxy.ts';
import { soon } from '../support/soon.ts';

/** The client is gone; the upstream must know soon, and no key is the worse for it. */
async function expectCancelled(proxy: TestProxy, calls = 1): Promise<void> {
  await proxy.simulator.waitFor(() => proxy.simulator.openResponses === 0, soon(1_000));
  expect(proxy.calls().map(({ aborted }) => aborted)).toEqual(Array(calls).fill(true));
  const [line] = await proxy.trace(1);
  expect(line).toMatchObject({ error_code: 'client_left' });
  const { keys } = await proxy.state().catch(() => ({ keys: {} }));
  for (const key of Object.values(keys)) {
    expect(key).toMatchObject({ exhausted_until: null, blocked_reason: null, error_5xx: 0, error_429: 0 });
  }
  expect(await proxy.log()).not.toContain('failed inside');
}

const hung = (proxy: TestProxy) => proxy.simulator.waitFor((calls) => calls.some(({ body }) => body.length > 0));

describe('a client that leaves cancels the upstream call', () => {
  it('before the headers', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'] });
    proxy.simulator.account('a').fail('hang');
    const { request } = openChat(proxy);
    await hung(proxy);
    request.destroy();
    await expectCancelled(proxy);
  });

  it('in the middle of a stream', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], simulator: { behaviour: { chunkPauseMs: 60_000 } } });
    const { request, response } = openChat(proxy);
    await once(await response, 'data');
    request.destroy();
    await expectCancelled(proxy);
    expect((await proxy.trace(1))[0]).toMatchObject({ status: 200 });
  });

  it('while an error is being read', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'] });
    proxy.simulator.account('a').respondWith({ status: 429, chunks: ['{"error":'], end: 'hang' });
    const { request } = openChat(proxy);
    await proxy.simulator.waitFor(([call]) => call?.status === 429);
    request.destroy();
    await expectCancelled(proxy);
  });

  it.each([
    ['a long body', { 'content-length': '1000000' }, 200_000],
    ['a chunked body', { 'transfer-encoding': 'chunked' }, 200_000],
    ['a body too large to be held', { 'content-length': '50000000' }, 2_000_000],
  ])('while it sends %s', async (_, headers, bytes) => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], settings: { KMI_PROXY_REPLAY_MAX_MB: '1' } });
    const { request } = open(`${proxy.url}/files`, { headers });
    request.write(Buffer.alloc(bytes));
    await proxy.simulator.waitFor(([call]) => call !== undefined);
    request.destroy();
    await expectCancelled(proxy);
  });

  it('while it sends a short body, before there is an upstream call', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'] });
    const { request } = open(`${proxy.url}/chat/completions`, { headers: { 'content-length': '1000' } });
    request.write('half');
    await once(request, 'socket');
    await proxy.send('/models', { method: 'GET' });
    request.destroy();
    const lines = await proxy.trace(2);
    expect(lines[1]).toMatchObject({ status: 499, error_code: 'client_left', key_label: '' });
    expect(proxy.calls()).toHaveLength(1);
    expect(await proxy.log()).not.toContain('failed inside');
  });

  it('while an overload is waited out', async () => {
    const proxy = await startTestProxy({ settings: { KMI_PROXY_RETRY_BASE_MS: '60000' } });
    proxy.simulator.account('a').fail('overloaded');
    const { request } = openChat(proxy);
    await proxy.simulator.waitFor(([call]) => call?.endedAt != null);
    request.destroy();
    expect((await proxy.trace(1))[0]).toMatchObject({ status: 499, error_code: 'client_left' });
    expect(proxy.calls()).toHaveLength(1);
  });

  it('while it waits for a key', async () => {
    const proxy = await startTestProxy({ settings: { KMI_PROXY_WAIT_SECONDS: '60' } });
    proxy.simulator.account('a').fail('quota_5h');
    await proxy.chat();
    const { request } = openChat(proxy);
    await once(request, 'finish');
    await proxy.send('/nothing', { method: 'GET', headers: { host: 'evil.example' } });
    request.destroy();
    expect((await proxy.trace(2))[1]).toMatchObject({ status: 499, error_code: 'client_left' });
    expect(proxy.calls()).toHaveLength(1);
  });
});

it('the next request is served as if nothing had been', async () => {
  const proxy = await startTestProxy({ simulator: { behaviour: { chunkPauseMs: 20 } } });
  for (let n = 0; n < 20; n++) {
    const { request, response } = openChat(proxy);
    await once(await response, 'data');
    request.destroy();
  }
  await proxy.simulator.waitFor(() => proxy.simulator.openResponses === 0);
  expect((await proxy.chat()).status).toBe(200);
  expect(proxy.served()).toBe(Array(21).fill('a').join(' '));
});

it('the built binary stops the upstream call too', async () => {
  const proxy = await startBinaryProxy();
  proxy.simulator.account('a').fail('hang');
  const { request } = openChat(proxy);
  await hung(proxy);
  request.destroy();
  await expectCancelled(proxy);
});
