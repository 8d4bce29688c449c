import { describe, expect, it } from 'vitest';
import { ClientAbort } from '../../src/proxy/http/client-abort.ts';
import { WaitQueue } from '../../src/proxy/pool/wait-queue.ts';
import { StateStore, statePath } from '../../src/state/store.ts';
import { eventually } from '../support/eventually.ts';
import { valuesOf } from '../support/http-client.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { soon } from '../support/soon.ts';

/** Puts the key on cooldown in another process's way: through the state file. */
async function setCooldown(proxy: TestProxy, label: string, until: number | null): Promise<void> {
  const store = await StateStore.open({ path: statePath(proxy.home.stateDir), clock: Date.now, log: { warn: () => undefined } });
  store.changeKey(label, { cooldown: until === null ? null : { until, reason: 'quota' } });
  await store.save();
  await store.close();
}

const bodyOf = (n: number) => JSON.stringify({ messages: [{ role: 'user', content: `request ${n}` }] });

describe('without KMI_PROXY_WAIT_SECONDS', () => {
  it('a request nobody can serve is a 503 that says when to come back, and why', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'] });
    proxy.simulator.account('a').fail('org_tpd');
    proxy.simulator.account('b').fail('rate_limited');
    expect((await proxy.chat()).status).toBe(429);
    const answer = await proxy.chat();
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.text).error).toMatchObject({
      code: 'no_eligible_key',
      message: expect.stringContaining('Both Kimi keys are rate-limited.'),
    });
    const [retryAfter] = valuesOf(answer.rawHeaders, 'retry-after');
    expect(retryAfter).toMatch(/^[3-5]$/);
    expect(proxy.calls()).toHaveLength(2);
    expect((await proxy.trace(2))[1]).toMatchObject({
      status: 503,
      error_code: 'no_eligible_key',
      key_label: '',
      choice: null,
      skipped: [
        { key_label: 'a', reason: 'rate' },
        { key_label: 'b', reason: 'rate' },
      ],
    });
  });

  it('the 503 speaks the protocol of Anthropic on its path', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'] });
    for (const name of ['a', 'b']) proxy.simulator.account(name).fail('invalid_key');
    await proxy.chat();
    const answer = await proxy.send('/messages', { body: '{}' });
    expect([answer.status, JSON.parse(answer.text).error.type]).toEqual([503, 'overloaded_error']);
    // Blocked until cleared: nobody knows when.
    expect(valuesOf(answer.rawHeaders, 'retry-after')).toEqual([]);
  });

  it('a pool without keys says so', async () => {
    const proxy = await startTestProxy({ accounts: [] });
    const answer = await proxy.chat();
    expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([503, 'no_keys']);
  });
});

describe('with KMI_PROXY_WAIT_SECONDS', () => {
  const settings = { KMI_PROXY_WAIT_SECONDS: '60' };

  it('a request waits until the key returns by itself', async () => {
    const proxy = await startTestProxy({ settings });
    proxy.simulator.account('a').fail('org_rpm', { times: 1 });
    expect((await proxy.chat()).status).toBe(429);
    const startedAt = performance.now();
    expect((await proxy.chat()).status).toBe(200);
    expect(performance.now() - startedAt).toBeGreaterThan(700);
    expect(performance.now() - startedAt).toBeLessThan(soon(2500));
  });

  it('requests are served in the order they came, once a command clears the key', async () => {
    const proxy = await startTestProxy({ accounts: ['a'], settings });
    proxy.simulator.account('a').fail('quota_5h', { times: 1 });
    await proxy.chat();
    const waiting: Promise<{ status: number | null }>[] = [];
    for (let n = 0; n < 5; n++) {
      waiting.push(proxy.chat({}, { body: bodyOf(n) }));
      // Each has arrived before the next is sent: a request refused for its Host is answered after it.
      await proxy.send('/x', { headers: { host: 'evil.example' } });
    }
    expect(proxy.calls()).toHaveLength(1);
    await setCooldown(proxy, 'a', null);
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    const order = proxy
      .calls()
      .slice(1)
      .map(({ body }) => JSON.parse(body.toString()).messages[0].content);
    expect(order).toEqual([0, 1, 2, 3, 4].map((n) => `request ${n}`));
  });

  it('a request whose time is over gets the 503', async () => {
    const proxy = await startTestProxy({ config: { proxyWaitSeconds: 0.2 } });
    await setCooldown(proxy, 'a', Date.now() + 100_000);
    const found = await eventually(async () => {
      const answers = await Promise.all([proxy.chat(), proxy.chat(), proxy.chat()]);
      return answers.every(({ status }) => status === 503) ? answers : undefined;
    });
    for (const answer of found) {
      expect(JSON.parse(answer.text).error.message).toContain('The only Kimi key has used up its quota.');
      expect(Number(valuesOf(answer.rawHeaders, 'retry-after')[0])).toBeGreaterThan(90);
    }
  });

  it('a request that failed on a key it had does not wait: the real error is relayed', async () => {
    const proxy = await startTestProxy({ settings });
    proxy.simulator.account('a').fail('quota_5h');
    expect((await proxy.chat()).status).toBe(403);
  });
});

describe('the wait queue', () => {
  const newQueue = () => {
    let change: () => void = () => undefined;
    const onChange = (listener: () => void) => {
      change = listener;
      return () => undefined;
    };
    return { queue: new WaitQueue({ onChange }), change: () => change() };
  };

  it('wakes only the first, who lets in the next', async () => {
    const { queue, change } = newQueue();
    let free = 0;
    const looks: string[] = [];
    const wait = (name: string) =>
      queue.wait(
        () => {
          looks.push(name);
          if (free === 0) return null;
          free -= 1;
          return name;
        },
        () => null,
        10_000,
        new ClientAbort(),
      );
    const all = ['x', 'y', 'z'].map(wait);
    expect(looks).toEqual(['x']);
    free = 2;
    change();
    expect(await Promise.all(all.slice(0, 2))).toEqual(['x', 'y']);
    expect(looks).toEqual(['x', 'x', 'y', 'z']);
    free = 1;
    change();
    expect(await all[2]).toBe('z');
    expect(queue.isEmpty).toBe(true);
  });

  it('lets go of one who leaves, wherever he stands in line', async () => {
    const { queue } = newQueue();
    const leaving = [new ClientAbort(), new ClientAbort()];
    const all = leaving.map((client) =>
      queue.wait(
        () => null,
        () => null,
        10_000,
        client,
      ),
    );
    leaving[1]?.leave();
    expect(await all[1]).toBeNull();
    leaving[0]?.leave();
    expect(await all[0]).toBeNull();
    expect(queue.isEmpty).toBe(true);
  });

  it('never keeps anybody longer than agreed', async () => {
    const { queue } = newQueue();
    const wait = () =>
      queue.wait(
        () => null,
        () => 1_000_000,
        30,
        new ClientAbort(),
      );
    const all = Array.from({ length: 50 }, wait);
    const startedAt = performance.now();
    expect(await Promise.all(all)).toEqual(Array(50).fill(null));
    expect(performance.now() - startedAt).toBeLessThan(soon(500));
  });

  it('looks again when the next key is due', async () => {
    const { queue } = newQueue();
    let looks = 0;
    const found = await queue.wait(
      () => (++looks === 3 ? 'key' : null),
      () => 10,
      10_000,
      new ClientAbort(),
    );
    expect([found, looks]).toEqual(['key', 3]);
  });
});
