import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { keyOf, openChat, startBinaryProxy, startTestProxy, type TestProxy } from '../support/proxy.ts';
import { soon } from '../support/soon.ts';

/** Sends until the account has served; how long that took, in ms. */
async function untilServedBy(proxy: TestProxy, account: string): Promise<number> {
  const startedAt = performance.now();
  await eventually(async () => {
    await proxy.chat();
    return proxy.calls().at(-1)?.account === account ? true : undefined;
  });
  return performance.now() - startedAt;
}

describe('auth files that change while the proxy runs', () => {
  it('a new key takes its turn within a second or so', async () => {
    const proxy = await startBinaryProxy({ accounts: ['a'], autoRotate: true });
    proxy.simulator.addAccount({ name: 'new', keys: [keyOf('new')] });
    await proxy.chat();
    await proxy.home.addKey({ label: 'new', key: keyOf('new') });
    expect(await untilServedBy(proxy, 'new')).toBeLessThan(soon(2000));
    await proxy.log('The auth files changed.');
  });

  it('a deleted key is used no more, and its open stream goes on', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], simulator: { behaviour: { chunkPauseMs: 100, chunks: 12 } } });
    const incoming = await openChat(proxy).response;
    await rm(join(proxy.home.authsDir, 'a.env'));
    proxy.simulator.account('b').behave({ chunkPauseMs: 0 });
    await untilServedBy(proxy, 'b');
    let text = '';
    for await (const chunk of incoming) text += chunk;
    expect(text).toContain('[DONE]');
    await proxy.chat();
    expect(proxy.calls().at(-1)).toMatchObject({ account: 'b' });
    // Its numbers stay, should it come back.
    await proxy.state(({ keys }) => (keys.a?.request_count ?? 0) > 0 && keys.b !== undefined);
  });

  it('a key changed in its file is used with its new value, and what its old value was blocked for is over', async () => {
    const proxy = await startTestProxy({ accounts: ['a'] });
    proxy.simulator.account('a').setKeys(['sk-kimi-a-renewed-0123456789']);
    // The upstream's 401, which the client must not take for its own.
    expect((await proxy.chat()).status).toBe(403);
    await proxy.state(({ keys }) => keys.a?.blocked_reason === 'auth');
    await proxy.home.addKey({ label: 'a', key: 'sk-kimi-a-renewed-0123456789' });
    await proxy.home.addKey({ label: 'b', key: 'sk-kimi-nobody-0123456789' });
    await proxy.state(({ keys }) => keys.a?.blocked_reason === null && keys.a.error_401 === 0);
    expect((await proxy.chat()).status).toBe(200);
    expect(proxy.calls().at(-1)).toMatchObject({ account: 'a', key: 'sk-kimi-a-renewed-0123456789' });
  });

  it('a broken file is left out and does not disturb the others', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], autoRotate: true });
    await writeFile(join(proxy.home.authsDir, 'b.env'), 'KMI_API_KEY=\n');
    await eventually(async () => {
      await proxy.chat();
      await proxy.chat();
      return proxy.served().endsWith('a a a') ? true : undefined;
    });
    expect((await proxy.chat()).status).toBe(200);
  });

  it('round-robin goes on where it was when a key is added before it', async () => {
    const proxy = await startTestProxy({ accounts: ['b', 'c'], autoRotate: true });
    proxy.simulator.addAccount({ name: 'a', keys: [keyOf('a')] });
    await proxy.chat();
    await proxy.home.addKey({ label: 'a', key: keyOf('a') });
    await proxy.log('The auth files changed.');
    for (let n = 0; n < 3; n++) await proxy.chat();
    expect(proxy.served()).toBe('b c a b');
  });

  it('the last key gone is said plainly, and the next one is taken up', async () => {
    const proxy = await startTestProxy();
    await rm(join(proxy.home.authsDir, 'a.env'));
    await eventually(async () => ((await proxy.chat()).status === 503 ? true : undefined));
    expect(JSON.parse((await proxy.chat()).text).error.code).toBe('no_keys');
    await proxy.home.addKey({ label: 'a', key: keyOf('a') });
    await eventually(async () => ((await proxy.chat()).status === 200 ? true : undefined));
  });
});
