import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ERRORS, type ErrorName } from '../../src/simulator/simulator.ts';
import { valuesOf } from '../support/http-client.ts';
import { keyOf, openChat, startBinaryProxy, startTestProxy } from '../support/proxy.ts';

const SIX = ['a', 'b', 'c', 'd', 'e', 'f'];
const FAST = { KMI_PROXY_RETRY_BASE_MS: '1' };

describe('how many keys one request may try', () => {
  it.each([
    ['0', 'a'],
    ['1', 'a b'],
    ['3', 'a b c d'],
    ['100', 'a b c d e f'],
  ])('KMI_PROXY_FAILOVER_MAX=%s calls %s', async (max, upstream) => {
    const proxy = await startTestProxy({ accounts: SIX, settings: { KMI_PROXY_FAILOVER_MAX: max } });
    for (const name of SIX) proxy.simulator.account(name).fail('internal');
    const answer = await proxy.chat();
    expect(proxy.served()).toBe(upstream);
    expect(answer.status).toBe(500);
    expect(JSON.parse(answer.text).error.message).toBe(ERRORS.internal.message);
  });

  it('does not count keys that are used up or refused, so that one that can serve is found', async () => {
    const proxy = await startTestProxy({ accounts: SIX, settings: { KMI_PROXY_FAILOVER_MAX: '1' } });
    for (const name of ['a', 'c', 'd', 'e']) proxy.simulator.account(name).fail(name === 'd' ? 'invalid_key' : 'quota_5h');
    proxy.simulator.account('b').fail('internal');
    expect((await proxy.chat()).status).toBe(200);
    expect(proxy.served()).toBe('a b c d e f');
  });

  it('tries none at all when it may try none', async () => {
    const proxy = await startTestProxy({ accounts: SIX, settings: { KMI_PROXY_FAILOVER_MAX: '0' } });
    proxy.simulator.account('a').fail('quota_5h');
    const answer = await proxy.chat();
    expect([answer.status, proxy.served()]).toEqual([403, 'a']);
    expect(JSON.parse(answer.text).error.message).toBe(ERRORS.quota_5h.message);
  });

  it('sends each of them the same bytes', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b', 'c'] });
    proxy.simulator.account('a').fail('rate_limited');
    proxy.simulator.account('b').fail('internal');
    const body = `{"prompt_cache_key":"s-1",  "messages":[{"role":"user","content":"${'é'.repeat(50_000)}"}]}`;
    expect((await proxy.chat({}, { body })).status).toBe(200);
    expect(proxy.calls().map((call) => call.body.toString())).toEqual([body, body, body]);
  });

  it('gives the last answer of the upstream when the last key could not be reached at all', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'] });
    proxy.simulator.account('a').fail('quota_5h');
    proxy.simulator.account('b').fail('refuse');
    const answer = await proxy.chat();
    expect(answer.status).toBe(403);
    expect(answer.text).toContain('5-hour usage limit');
    const [line] = await proxy.trace(1);
    expect(line).toMatchObject({ status: 403, key_label: 'a', tried: [{ key_label: 'b', verdict: 'broken' }] });
  });
});

describe('a lone key beside a disabled one', () => {
  const refusal = { status: 403, type: 'unheard_of', message: 'Not today.' };
  it.each([
    [ERRORS.internal, 'error_5xx'],
    [ERRORS.bad_gateway, 'error_5xx'],
    [ERRORS.unavailable, 'error_5xx'],
    [refusal, 'error_403'],
  ] as const)('has its failure on record: %j', async (error, counter) => {
    const proxy = await startTestProxy({
      accounts: ['a', 'b'],
      settings: FAST,
      writeKeys: async (home) => {
        await home.addKey({ label: 'a', key: keyOf('a') });
        await home.addKey({ label: 'b', key: keyOf('b'), disabled: true });
      },
    });
    proxy.simulator.account('a').fail(error, { times: 1 });
    expect((await proxy.chat()).status).toBe(error.status);
    expect((await proxy.state(({ keys: { a } }) => a?.request_count === 1)).keys.a?.[counter]).toBe(1);
  });
});

describe('the real error', () => {
  // A 401 is told in other words: tests/proxy/refused-key.test.ts.
  const relayed = (Object.keys(ERRORS) as ErrorName[]).filter((name) => ERRORS[name].status !== 401);
  it.each(relayed)('of a lone key is relayed as it came: %s', async (name) => {
    const proxy = await startTestProxy({ settings: FAST });
    proxy.simulator.account('a').fail(name);
    const { status, type, message } = ERRORS[name];
    // Also the second time, when the key is on cooldown.
    for (let n = 0; n < 2; n++) {
      const answer = await proxy.chat();
      expect([answer.status, answer.text]).toEqual([status, JSON.stringify({ error: { message, type } })]);
      expect(valuesOf(answer.rawHeaders, 'x-trace-id')).toHaveLength(1);
    }
  });

  it('is relayed compressed when it came compressed, and judged all the same', async () => {
    const proxy = await startTestProxy();
    const packed = gzipSync(JSON.stringify({ error: { message: ERRORS.quota_weekly.message, type: 'x' } }));
    proxy.simulator.account('a').respondWith({
      status: 403,
      headers: ['Content-Type', 'application/json', 'Content-Encoding', 'gzip', 'Content-Length', String(packed.length)],
      chunks: [packed],
    });
    const answer = await proxy.chat();
    expect(answer.status).toBe(403);
    expect(answer.body).toEqual(packed);
    expect(answer.rawHeaders.slice(0, 6)).toEqual([
      'Content-Type',
      'application/json',
      'Content-Encoding',
      'gzip',
      'Content-Length',
      String(packed.length),
    ]);
    const { keys } = await proxy.state(({ keys: { a } }) => a?.exhausted_until !== null);
    expect(keys.a).toMatchObject({ exhausted_reason: 'quota' });
  });

  it.each([
    ['that is no JSON', '<html>Bad gateway</html>', 502],
    ['that is empty', '', 500],
    ['in another encoding than it says', 'not gzip', 429],
  ])('%s is relayed too', async (_, text, status) => {
    const proxy = await startTestProxy();
    const encoding = status === 429 ? ['content-encoding', 'gzip'] : [];
    proxy.simulator.account('a').respondWith({ status, headers: [...encoding, 'x-odd', '1'], chunks: [text] });
    const answer = await proxy.chat();
    expect([answer.status, answer.text, answer.error]).toEqual([status, text, null]);
  });

  it('is cut off where the upstream cut it off, never ended cleanly', async () => {
    const proxy = await startTestProxy();
    proxy.simulator.account('a').respondWith({ status: 500, headers: ['content-length', '100'], chunks: ['half'], end: 'reset' });
    const answer = await proxy.chat();
    expect([answer.status, answer.text]).toEqual([500, 'half']);
    expect(answer.error).not.toBeNull();
  });

  it('that never ends is given up on', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'] });
    const endless = { status: 500, chunks: Array.from({ length: 40 }, () => Buffer.alloc(64 * 1024, 'x')), end: 'hang' } as const;
    proxy.simulator.account('a').respondWith(endless);
    expect((await proxy.chat()).status).toBe(200);
    expect(proxy.served()).toBe('a b');
  });
});

describe('an overload of the upstream', () => {
  it('is waited out on the same key', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], settings: FAST });
    proxy.simulator.account('a').fail('overloaded', { times: 2 });
    expect((await proxy.chat()).status).toBe(200);
    expect(proxy.served()).toBe('a a a');
  });

  it('is retried as often as KMI_PROXY_RETRY_MAX says', async () => {
    const proxy = await startTestProxy({ settings: { ...FAST, KMI_PROXY_RETRY_MAX: '5' } });
    proxy.simulator.account('a').fail('overloaded', { times: 5 });
    expect((await proxy.chat()).status).toBe(200);
    expect(proxy.served()).toBe('a a a a a a');
  });

  it('that lasts is relayed and blames no key', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], settings: FAST });
    for (const name of ['a', 'b']) proxy.simulator.account(name).fail('overloaded');
    const answer = await proxy.chat();
    expect([answer.status, JSON.parse(answer.text).error.type]).toEqual([429, 'engine_overloaded_error']);
    const { keys } = await proxy.state(({ keys: { a } }) => (a?.request_count ?? 0) > 2);
    for (const key of Object.values(keys))
      expect(key).toMatchObject({ exhausted_until: null, blocked_reason: null, error_429: 0 });
  });

  it('waits between the attempts, a doubling time', async () => {
    const proxy = await startTestProxy({ settings: { KMI_PROXY_RETRY_BASE_MS: '60' } });
    proxy.simulator.account('a').fail('overloaded', { times: 2 });
    await proxy.chat();
    const [first, second, third] = proxy.calls().map(({ startedAt }) => startedAt) as [number, number, number];
    expect(second - first).toBeGreaterThanOrEqual(58);
    expect(third - second).toBeGreaterThanOrEqual(118);
  });
});

describe('an outage', () => {
  it.each(['internal', 'unavailable', 'refuse'] as const)('of everything (%s) blames no key', async (fault) => {
    const proxy = await startTestProxy({ accounts: ['a', 'b', 'c'] });
    for (const name of ['a', 'b', 'c']) proxy.simulator.account(name).fail(fault);
    const answer = await proxy.chat();
    expect(answer.status).toBe(fault === 'internal' ? 500 : fault === 'unavailable' ? 503 : 502);
    const { keys } = await proxy.state(({ keys }) => keys.c?.request_count === 1);
    for (const key of Object.values(keys)) expect(key).toMatchObject({ exhausted_until: null, blocked_reason: null });
    for (const name of ['a', 'b', 'c']) proxy.simulator.account(name).heal();
    expect((await proxy.chat()).status).toBe(200);
  });

  it('leaves round-robin even when it is over', async () => {
    const proxy = await startTestProxy({
      accounts: ['a', 'b', 'c'],
      autoRotate: true,
      settings: { KMI_USAGE_CACHE_SECONDS: '600' },
    });
    await proxy.simulator.waitFor((all) => all.filter(({ path, endedAt }) => path.endsWith('/usages') && endedAt).length === 3);
    for (const name of ['a', 'b', 'c']) proxy.simulator.account(name).fail('internal');
    for (let n = 0; n < 4; n++) expect((await proxy.chat()).status).toBe(500);
    for (const name of ['a', 'b', 'c']) proxy.simulator.account(name).heal();
    for (let n = 0; n < 18; n++) expect((await proxy.chat()).status).toBe(200);
    const turns = proxy.served().split(' ').slice(-9);
    expect(['a', 'b', 'c'].map((name) => turns.filter((turn) => turn === name).length)).toEqual([3, 3, 3]);
  });

  it('is retried with KMI_PROXY_RETRY_MAX, after every key has been tried', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], settings: { ...FAST, KMI_PROXY_RETRY_MAX: '2' } });
    for (const name of ['a', 'b']) proxy.simulator.account(name).fail('bad_gateway', { times: 1 });
    expect((await proxy.chat()).status).toBe(200);
    expect(proxy.served()).toBe('a b a');
  });
});

describe('a burst of failures', () => {
  it('of fifty requests counts once', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], simulator: { behaviour: { latencyMs: 1_500 } } });
    proxy.simulator.account('a').fail('rate_limited');
    const answers = await Promise.all(Array.from({ length: 50 }, () => proxy.chat()));
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200));
    expect(proxy.calls().filter(({ account }) => account === 'a')).toHaveLength(50);
    const { keys } = await proxy.state(({ keys }) => keys.b?.request_count === 50);
    expect(keys.a).toMatchObject({ error_429: 1, request_count: 50, exhausted_reason: 'rate' });
    expect((Date.parse(keys.a?.exhausted_until as string) - Date.now()) / 1000).toBeLessThan(6);
    expect((await proxy.log('A key is on cooldown')).match(/A key is on cooldown/g)).toHaveLength(1);
  });

  it('of the server kind puts the key on cooldown once', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], simulator: { behaviour: { latencyMs: 100 } } });
    proxy.simulator.account('a').fail('internal');
    await Promise.all(Array.from({ length: 20 }, () => proxy.chat()));
    await proxy.state(({ keys }) => keys.b?.request_count === 20);
    expect((await proxy.log('A key is on cooldown')).match(/A key is on cooldown/g)).toHaveLength(1);
  });
});

describe('the built binary', () => {
  it('carries a stream over to the next key without a trace of the refusal in it', async () => {
    const proxy = await startBinaryProxy({ accounts: ['a', 'b', 'c'], autoRotate: true });
    proxy.simulator.account('b').setQuota({ fiveHour: { limit: 1, used: 1 } });
    for (let n = 0; n < 4; n++) {
      const incoming = await openChat(proxy).response;
      expect(incoming.statusCode).toBe(200);
      let text = '';
      for await (const chunk of incoming) text += chunk;
      expect(text).toContain('[DONE]');
      expect(text).not.toContain('usage limit');
    }
    expect(proxy.served()).toBe('a b c a c');
  });
});
