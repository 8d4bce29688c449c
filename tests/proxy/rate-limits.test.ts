import { describe, expect, it } from 'vitest';
import { valuesOf } from '../support/http-client.ts';
import { startTestProxy } from '../support/proxy.ts';

describe('the limit of the whole proxy', () => {
  it.each([
    ['KMI_PROXY_MAX_RPS', '3', 1],
    ['KMI_PROXY_MAX_RPM', '3', 20],
  ])('%s=%s refuses the fourth request and says when to come back', async (variable, value, seconds) => {
    const now = Date.now();
    const proxy = await startTestProxy({ settings: { [variable]: value }, app: { clock: () => now } });
    for (let n = 0; n < 3; n++) expect((await proxy.chat()).status).toBe(200);
    const answer = await proxy.chat();
    expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([429, 'rate_limited']);
    expect(valuesOf(answer.rawHeaders, 'retry-after')).toEqual([String(seconds)]);
    const anthropic = await proxy.send('/messages', { body: '{}' });
    expect(JSON.parse(anthropic.text).error.type).toBe('rate_limit_error');
    expect(proxy.calls()).toHaveLength(3);
  });

  it('lets the next one through when it is time', async () => {
    let now = Date.now();
    const proxy = await startTestProxy({ settings: { KMI_PROXY_MAX_RPS: '2' }, app: { clock: () => now } });
    await proxy.chat();
    await proxy.chat();
    expect((await proxy.chat()).status).toBe(429);
    now += 500;
    expect((await proxy.chat()).status).toBe(200);
  });
});

describe('the limit of each key', () => {
  const settings = { KMI_PROXY_MAX_RPM_PER_KEY: '2' };

  it('moves on to another key, and refuses only when all are at theirs', async () => {
    const now = Date.now();
    const proxy = await startTestProxy({ accounts: ['a', 'b'], settings, app: { clock: () => now } });
    for (let n = 0; n < 4; n++) expect((await proxy.chat()).status).toBe(200);
    expect(proxy.served()).toBe('a a b b');
    const answer = await proxy.chat();
    expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([429, 'rate_limited']);
    expect(valuesOf(answer.rawHeaders, 'retry-after')).toEqual(['30']);
    expect(proxy.calls()).toHaveLength(4);
  });

  it('does not make the helper the active key', async () => {
    let now = Date.now();
    const proxy = await startTestProxy({ accounts: ['a', 'b'], settings, app: { clock: () => now } });
    for (let n = 0; n < 3; n++) await proxy.chat();
    now += 60_000;
    await proxy.chat();
    expect(proxy.served()).toBe('a a b a');
  });

  it('holds for round-robin, whose turns stay even', async () => {
    const now = Date.now();
    const proxy = await startTestProxy({ accounts: ['a', 'b', 'c'], autoRotate: true, settings, app: { clock: () => now } });
    for (let n = 0; n < 6; n++) await proxy.chat();
    expect(proxy.served()).toBe('a b c a b c');
    expect((await proxy.chat()).status).toBe(429);
  });

  it('holds for a lone key', async () => {
    const proxy = await startTestProxy({ settings: { KMI_PROXY_MAX_RPS_PER_KEY: '1' }, app: { clock: () => 1e12 } });
    expect((await proxy.chat()).status).toBe(200);
    expect((await proxy.chat()).status).toBe(429);
  });

  it('counts failed-over requests against the key that took them', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], settings, app: { clock: () => 1e12 } });
    proxy.simulator.account('a').fail('no_model_access');
    expect((await proxy.chat()).status).toBe(200);
    expect((await proxy.chat()).status).toBe(200);
    expect((await proxy.chat()).status).toBe(429);
    expect(proxy.served()).toBe('a b a b');
  });
});
