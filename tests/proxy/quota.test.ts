import { describe, expect, it } from 'vitest';
import { startBinaryProxy, startTestProxy } from '../support/proxy.ts';

const HOUR = 3_600_000;
const full = (resetsAt: number) => ({ fiveHour: { limit: 100, used: 100, resetsAt } });

describe('a used-up quota', () => {
  it('puts the key on cooldown until the reset that /usages states', async () => {
    const resetsAt = Math.ceil(Date.now() / 1000) * 1000 + 3 * HOUR;
    const proxy = await startTestProxy({ accounts: [{ name: 'a', quota: full(resetsAt) }, 'b'] });
    expect((await proxy.chat()).status).toBe(200);
    expect(proxy.served()).toBe('a b');
    const { keys } = await proxy.state(({ keys: { a } }) => Date.parse(a?.exhausted_until ?? '') === resetsAt);
    expect(keys.a).toMatchObject({ exhausted_reason: 'quota', error_403: 1 });
  });

  it.each(['classic', 'new', 'both', 'sparse'] as const)('does so whatever shape /usages has (%s)', async (usagesView) => {
    const resetsAt = Math.ceil(Date.now() / 1000) * 1000 + 2 * HOUR;
    const account = { name: 'a', quota: full(resetsAt), behaviour: { usagesView } };
    const proxy = await startTestProxy({ accounts: [account, 'b'] });
    await proxy.chat();
    await proxy.state(({ keys: { a } }) => Date.parse(a?.exhausted_until ?? '') === resetsAt);
  });

  it('waits for the last of several empty windows', async () => {
    const resetsAt = Math.ceil(Date.now() / 1000) * 1000 + 48 * HOUR;
    const quota = { ...full(Date.now() + HOUR), weekly: { limit: 10, used: 10, resetsAt } };
    const proxy = await startTestProxy({ accounts: [{ name: 'a', quota }, 'b'] });
    await proxy.chat();
    await proxy.state(({ keys: { a } }) => Date.parse(a?.exhausted_until ?? '') === resetsAt);
  });

  it.each([
    ['fails', { usagesFault: { status: 500 } }],
    ['is no JSON', { usagesFault: { status: 200, body: '<html>', contentType: 'text/html' } }],
    ['contradicts the refusal', {}],
  ])('puts the key on cooldown by the setting when /usages %s', async (_, behaviour) => {
    const proxy = await startTestProxy({
      accounts: [{ name: 'a', behaviour }, 'b'],
      settings: { KMI_ROTATION_COOLDOWN_SECONDS: '100' },
    });
    proxy.simulator.account('a').fail('quota_weekly');
    const sentAt = Date.now();
    await proxy.chat();
    await proxy.simulator.waitFor((all) => all.some(({ path, endedAt }) => path.endsWith('/usages') && endedAt !== null));
    const { keys } = await proxy.state(({ keys: { a } }) => a?.exhausted_until != null);
    const seconds = (Date.parse(keys.a?.exhausted_until as string) - sentAt) / 1000;
    expect(seconds).toBeGreaterThanOrEqual(100);
    expect(seconds).toBeLessThan(160);
  });

  it('asks /usages once for a burst of refusals', async () => {
    const account = { name: 'a', quota: full(Date.now() + HOUR) };
    const proxy = await startTestProxy({ accounts: [account, 'b'], simulator: { behaviour: { latencyMs: 50 } } });
    await Promise.all(Array.from({ length: 20 }, () => proxy.chat()));
    await proxy.state(({ keys: { a } }) => a?.exhausted_until != null);
    expect(proxy.simulator.received.filter(({ path }) => path.endsWith('/usages'))).toHaveLength(1);
  });

  it('ends early when the window was reset early, at the next look at /usages', async () => {
    const account = { name: 'a', quota: full(Date.now() + 3 * HOUR) };
    const proxy = await startTestProxy({ accounts: [account, 'b'], config: { usageCacheSeconds: 0.3 } });
    await proxy.chat();
    await proxy.state(({ keys: { a } }) => Date.parse(a?.exhausted_until ?? '') > Date.now() + HOUR);
    proxy.simulator.account('a').setQuota({ fiveHour: { used: 0, resetsAt: null } });
    await proxy.state(({ keys: { a } }) => a?.exhausted_until === null);
    await proxy.log('quota again');
  });

  it('ends early when money was put into the wallet', async () => {
    const account = { name: 'a', quota: full(Date.now() + 3 * HOUR) };
    const proxy = await startTestProxy({ accounts: [account, 'b'], config: { usageCacheSeconds: 0.3 } });
    await proxy.chat();
    await proxy.state(({ keys: { a } }) => Date.parse(a?.exhausted_until ?? '') > Date.now() + HOUR);
    proxy.simulator.account('a').setWallet({ cents: 500 });
    await proxy.state(({ keys: { a } }) => a?.exhausted_until === null);
  });

  it('leaves the keys of other accounts alone', async () => {
    const proxy = await startTestProxy({ accounts: [{ name: 'a', quota: full(Date.now() + HOUR) }, 'b', 'c'], autoRotate: true });
    for (let n = 0; n < 5; n++) expect((await proxy.chat()).status).toBe(200);
    expect(proxy.served()).toBe('a b c b c b');
  });
});

it('the built binary finds the reset in /usages, and the client sees nothing', async () => {
  const resetsAt = Math.ceil(Date.now() / 1000) * 1000 + 3 * HOUR;
  const proxy = await startBinaryProxy({ accounts: [{ name: 'a', quota: full(resetsAt) }, 'b'] });
  expect((await proxy.chat()).status).toBe(200);
  await proxy.state(({ keys: { a } }) => Date.parse(a?.exhausted_until ?? '') === resetsAt);
});
