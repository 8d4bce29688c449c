import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PromptCache } from '../../src/simulator/prompt-cache.ts';
import { Quota } from '../../src/simulator/quota.ts';
import { chat, get, json, openSimulator } from './client.ts';

const HOUR_MS = 3_600_000;
const START = Date.UTC(2026, 10, 1);

/** A clock the test moves. */
function handClock() {
  let now = START;
  return { clock: () => now, pass: (ms: number) => (now += ms) };
}

describe('quota windows', () => {
  it.each([
    ['fiveHour', '5-hour usage limit'],
    ['weekly', 'weekly (7-day) usage limit'],
    ['monthly', 'monthly usage limit for this billing cycle'],
  ] as const)('refuse with the text of a full %s window', async (name, text) => {
    const simulator = await openSimulator();
    simulator.account('a').setQuota({ [name]: { limit: 2, used: 1 } });
    expect((await chat(simulator)).status).toBe(200);
    const refused = await chat(simulator);
    expect(refused.status).toBe(403);
    expect(refused.headers.has('retry-after')).toBe(false);
    expect((await json(refused)).error.message).toContain(text);
  });

  it('fill with requests, agree with /usages, and are empty again when the clock has passed the reset', async () => {
    const { clock, pass } = handClock();
    const simulator = await openSimulator({ clock });
    simulator
      .account('a')
      .setQuota({ fiveHour: { limit: 3 } })
      .behave({ usagesView: 'classic' });
    const fiveHour = async () => (await json(await get(simulator, '/usages'))).limits[0].detail;
    expect(await fiveHour()).toMatchObject({ limit: '3', used: '0', remaining: '3' });
    const statuses = [];
    for (let i = 0; i < 4; i += 1) statuses.push((await chat(simulator)).status);
    expect(statuses).toEqual([200, 200, 200, 403]);
    expect(await fiveHour()).toEqual({ limit: '3', used: '3', remaining: '0', resetTime: '2026-11-01T05:00:00.000605Z' });
    pass(5 * HOUR_MS - 1);
    expect((await chat(simulator)).status).toBe(403);
    pass(1);
    expect(await fiveHour()).toMatchObject({ used: '0', remaining: '3' });
    expect((await chat(simulator)).status).toBe(200);
    expect(await fiveHour()).toMatchObject({ used: '1', resetTime: '2026-11-01T10:00:00.000605Z' });
  });

  it('charge tokens when told so, and nothing for refusals', async () => {
    const simulator = await openSimulator();
    const account = simulator.account('a').setQuota({ cost: 'tokens', fiveHour: { limit: 100 } });
    await chat(simulator);
    expect(account.quota.window('fiveHour', Date.now())?.used).toBe(8);
    account.fail('internal', { times: 1 });
    await chat(simulator);
    expect(account.quota.window('fiveHour', Date.now())?.used).toBe(8);
  });

  it('are served from the wallet when full, until it is empty', async () => {
    const simulator = await openSimulator();
    const account = simulator
      .account('a')
      .setQuota({ fiveHour: { limit: 1, used: 1 } })
      .setWallet({ cents: 2 });
    expect((await chat(simulator)).status).toBe(200);
    expect((await chat(simulator)).status).toBe(200);
    const refused = await chat(simulator);
    expect((await json(refused)).error.message).toContain('credit balance is insufficient');
    expect(account.wallet?.cents).toBe(0);
    account.setWallet(null);
    expect((await json(await chat(simulator))).error.message).toContain('5-hour usage limit');
  });

  it('never go above their limit, never refuse with limit 0, and are empty after their end', () => {
    const steps = fc.array(fc.record({ passMs: fc.nat(2000), tokens: fc.nat(50) }), { maxLength: 60 });
    fc.assert(
      fc.property(fc.nat(100), steps, (limit, moves) => {
        const quota = new Quota({ fiveHour: { limit, durationMs: 5000 }, weekly: null, cost: 'tokens' }, 0);
        let now = 0;
        for (const { passMs, tokens } of moves) {
          now += passMs;
          const before = quota.window('fiveHour', now);
          if (before !== null && before.resetsAt !== null && before.resetsAt <= now) return false;
          if (limit === 0 && quota.full(now) !== null) return false;
          quota.charge(tokens, now);
          const after = quota.window('fiveHour', now);
          if (after === null || (limit > 0 && after.used > limit)) return false;
          if ((quota.full(now) !== null) !== (limit > 0 && after.used === limit)) return false;
        }
        return quota.full(now + 5000) === null;
      }),
    );
  });
});

describe('the parallel limit', () => {
  it('refuses what is too much at once, and takes more when a chat has ended', async () => {
    const simulator = await openSimulator({ accounts: [{ name: 'a', keys: ['k'], parallelLimit: 2 }] });
    simulator.account('a').behave({ firstByteDelayMs: 60_000 });
    const leave = new AbortController();
    const open = await Promise.all([1, 2].map(() => chat(simulator, { stream: true }, { key: 'k', signal: leave.signal })));
    expect(open.map(({ status }) => status)).toEqual([200, 200]);
    const refused = await chat(simulator, {}, { key: 'k' });
    expect(refused.status).toBe(403);
    expect((await json(refused)).error.message).toContain('concurrent request limit');
    leave.abort();
    await simulator.waitFor(() => simulator.openResponses === 0);
    expect((await chat(simulator, {}, { key: 'k' })).status).toBe(200);
    expect(simulator.account('a').books).toMatchObject({ aborted: 2, refused: 1, served: 1 });
  });

  it('counts a chat from its arrival, also while it waits out the latency', async () => {
    const simulator = await openSimulator({ accounts: [{ name: 'a', keys: ['k'], parallelLimit: 1 }] });
    simulator.account('a').behave({ latencyMs: 60_000 });
    const leave = new AbortController();
    const waiting = chat(simulator, {}, { key: 'k', signal: leave.signal });
    await simulator.waitFor(([request]) => request !== undefined && request.body.length > 0);
    simulator.account('a').behave({ latencyMs: 0 });
    expect((await chat(simulator, {}, { key: 'k' })).status).toBe(403);
    leave.abort();
    await expect(waiting).rejects.toThrow('abort');
    await simulator.waitFor(() => simulator.openResponses === 0);
    expect(simulator.received[0]).toMatchObject({ status: null, aborted: true });
    expect(simulator.account('a')).toMatchObject({ inFlight: 0, books: { aborted: 1, refused: 1, outputTokens: 0 } });
  });
});

describe('the prompt cache', () => {
  it('finds what the same session of the same account sent before', async () => {
    const simulator = await openSimulator();
    simulator.addAccount({ name: 'b', keys: ['sk-b'] });
    const ask = async (text: string, key?: string, session = 's1') => {
      const body = { prompt_cache_key: session, messages: [{ content: text }] };
      return (await json(await chat(simulator, body, key === undefined ? {} : { key }))).usage.cached_tokens;
    };
    expect(await ask('x'.repeat(400))).toBe(0);
    expect(await ask('x'.repeat(800))).toBe(100);
    expect(await ask('x'.repeat(40))).toBe(10);
    expect(await ask('x'.repeat(800))).toBe(200);
    expect(await ask('x'.repeat(800), undefined, 's2')).toBe(0);
    expect(await ask('x'.repeat(800), 'sk-b')).toBe(0);
    expect(simulator.account('a').books.cachedTokens).toBe(310);
  });

  it('forgets a session it has not heard of for its lifetime, and any it was given no name for', () => {
    const cache = new PromptCache(1000);
    expect(cache.use('s', 10, 0)).toBe(0);
    expect(cache.use('s', 10, 999)).toBe(10);
    expect(cache.use('s', 10, 1998)).toBe(10);
    expect(cache.use('s', 10, 2998)).toBe(0);
    expect(cache.use(null, 10, 3000)).toBe(0);
    expect(cache.use(null, 10, 3000)).toBe(0);
  });
});
