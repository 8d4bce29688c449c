import { describe, expect, it } from 'vitest';
import { startAccountProxy } from '../support/accounts.ts';
import { eventually } from '../support/eventually.ts';
import { readAnswer } from '../support/http-client.ts';
import { type InProcessProxy, openChat } from '../support/proxy.ts';

const READ = { KMI_USAGE_CACHE_SECONDS: '600' };
const SLOW = { chunkPauseMs: 2_000, chunks: 20 };

/** Attempts under way, by key. */
const inFlight = (proxy: InProcessProxy) =>
  Object.fromEntries(proxy.serving.pool.entries.map(({ key, inFlight: count }) => [key.label, count]));

const asked = (proxy: InProcessProxy) => proxy.calls().map(({ account }) => account);

describe('an account with as many requests in flight as it may have', () => {
  it.each([null, 'round-robin', 'sticky', 'quota'])('is passed over until one ends (%s)', async (strategy) => {
    const proxy = await startAccountProxy({
      accounts: [{ name: 'A', labels: ['a1', 'a2'], parallelLimit: 1, behaviour: SLOW }, { name: 'B' }],
      strategy,
      settings: READ,
    });
    const { pool } = proxy.serving;
    // Whichever strategy: requests until one streams from A.
    let sent = 0;
    const another = () => ({ messages: [{ role: 'user', content: `question ${++sent}` }] });
    const streaming = await eventually(async () => {
      const question = another();
      const open = openChat(proxy, question);
      const response = await open.response;
      if (proxy.calls().at(-1)?.account === 'A') return { question, open, response };
      await readAnswer(response);
      return undefined;
    });
    expect(inFlight(proxy)).toEqual({ a1: 1, a2: 1, B: 0 });
    const from = proxy.calls().length;
    for (let n = 0; n < 4; n++) expect((await proxy.chat(another())).status).toBe(200);
    expect(asked(proxy).slice(from)).toEqual(Array(4).fill('B'));
    // A session that is at home there too: it is helped out.
    expect((await proxy.chat(streaming.question)).status).toBe(200);
    expect(asked(proxy).at(-1)).toBe('B');
    const skips = (await proxy.trace(from + 4)).flatMap(({ skipped = [] }) => skipped.map(({ reason }) => reason));
    expect(skips).toContain('busy');
    streaming.open.request.destroy();
    await eventually(() => pool.entries.every((entry) => entry.inFlight === 0) || undefined);
    proxy.simulator.account('A').behave({ chunkPauseMs: 0, chunks: 1 });
    const next = proxy.calls().length;
    await proxy.chat(streaming.question);
    if (strategy === 'sticky' || strategy === 'quota') expect(asked(proxy).at(-1)).toBe('A');
    expect((await proxy.state()).session_moves).toBeUndefined();
    for (let n = 0; n < 6; n++) await proxy.chat(another());
    expect(asked(proxy).slice(next)).toContain('A');
  });

  it('is asked all the same when nobody else can serve, the least loaded first', async () => {
    const proxy = await startAccountProxy({
      accounts: [
        { name: 'A', parallelLimit: 1, behaviour: SLOW },
        { name: 'B', parallelLimit: 2, behaviour: SLOW },
      ],
      settings: READ,
    });
    const open = [];
    for (let n = 0; n < 4; n++) {
      const chat = openChat(proxy);
      open.push(chat);
      await chat.response;
    }
    // A 1/1, B 2/2; the fourth is asked beyond a limit, is refused there and at the other, and the client hears why.
    expect((await open[3]?.response)?.statusCode).toBe(403);
    expect(inFlight(proxy)).toEqual({ A: 1, B: 2 });
    for (const { request } of open) request.destroy();
    await eventually(() => proxy.serving.pool.entries.every((entry) => entry.inFlight === 0) || undefined);
  });

  it('lets requests wait for a place when they may wait, and no more of them in than there are places', async () => {
    const proxy = await startAccountProxy({
      accounts: [{ name: 'A', parallelLimit: 2, behaviour: { latencyMs: 20 } }],
      strategy: null,
      settings: { ...READ, KMI_PROXY_WAIT_SECONDS: '20' },
    });
    const answers = await Promise.all(Array.from({ length: 20 }, () => proxy.chat()));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(proxy.simulator.account('A').books.refused).toBe(0);
    expect(inFlight(proxy)).toEqual({ A: 0 });
  });

  it('answers 503 when no place came free in the time to wait', async () => {
    const proxy = await startAccountProxy({
      accounts: [{ name: 'A', parallelLimit: 1, behaviour: SLOW }],
      strategy: null,
      settings: { ...READ, KMI_PROXY_WAIT_SECONDS: '1' },
    });
    const stream = openChat(proxy);
    await stream.response;
    const answer = await proxy.chat();
    expect([answer.status, JSON.parse(answer.text).error.message]).toEqual([
      503,
      expect.stringContaining('The only Kimi key is busy with other requests.'),
    ]);
    stream.request.destroy();
  });
});

describe('the count of attempts in flight', () => {
  it('is exact under aborts, failures and retries', async () => {
    const proxy = await startAccountProxy({
      accounts: [
        { name: 'A', labels: ['a1', 'a2'], behaviour: { chunkPauseMs: 2 } },
        { name: 'B', behaviour: { chunkPauseMs: 2 } },
        { name: 'C', behaviour: { chunkPauseMs: 2 } },
      ],
      settings: { KMI_PROXY_RETRY_MAX: '1', KMI_PROXY_RETRY_BASE_MS: '1', KMI_ROTATION_COOLDOWN_SECONDS: '1' },
    });
    const faults = ['refuse', 'reset', 'internal', 'overloaded', 'rate_limited', 'concurrency', 'content_filter'] as const;
    for (const name of ['A', 'B', 'C'])
      for (const fault of faults) proxy.simulator.account(name).fail(fault, { probability: 0.06, times: 12 });
    let most = 0;
    const wrong: string[] = [];
    const watch = setInterval(() => {
      for (const { inFlight: count, attempts } of proxy.serving.pool.entries) {
        if (count < attempts || attempts < 0) wrong.push(`${count} in flight, ${attempts} of the key`);
        most = Math.max(most, count);
      }
    }, 1);
    let random = 1;
    await Promise.all(
      Array.from({ length: 300 }, async () => {
        random = (random * 48_271) % 2_147_483_647;
        const leaveAfterMs = random % 3 === 0 ? random % 40 : null;
        const { request, response } = openChat(proxy);
        const left = new Promise((resolve) => request.once('close', resolve));
        if (leaveAfterMs !== null) setTimeout(() => request.destroy(), leaveAfterMs);
        await response.then(readAnswer, () => undefined);
        await left;
      }),
    );
    clearInterval(watch);
    await eventually(() => proxy.simulator.openResponses === 0 || undefined);
    expect(wrong).toEqual([]);
    expect(most).toBeGreaterThan(3);
    await eventually(() => proxy.serving.pool.entries.every(({ attempts }) => attempts === 0) || undefined);
    expect(inFlight(proxy)).toEqual({ a1: 0, a2: 0, B: 0, C: 0 });
  });

  it('goes along when keys and accounts change under open streams', async () => {
    const proxy = await startAccountProxy({ accounts: [{ name: 'A', labels: ['a1', 'a2'], behaviour: SLOW }, { name: 'B' }] });
    const { pool } = proxy.serving;
    const streams = [openChat(proxy), openChat(proxy)];
    await Promise.all(streams.map(({ response }) => response));
    expect(inFlight(proxy)).toEqual({ a1: 2, a2: 2, B: 0 });
    pool.setAccount('a2', { id: 'c'.repeat(16), at: Date.now() });
    expect(inFlight(proxy)).toEqual({ a1: 1, a2: 1, B: 0 });
    pool.replaceKeys(pool.entries.filter(({ key }) => key.label !== 'a2').map(({ key }) => key));
    expect(inFlight(proxy)).toEqual({ a1: 1, B: 0 });
    for (const { request } of streams) request.destroy();
    await eventually(() => pool.entries.every((entry) => entry.inFlight === 0) || undefined);
    expect(inFlight(proxy)).toEqual({ a1: 0, B: 0 });
  });
});
