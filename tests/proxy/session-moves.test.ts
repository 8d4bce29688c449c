import { describe, expect, it } from 'vitest';
import { accountsAsked, startAccountProxy } from '../support/accounts.ts';
import type { InProcessProxy } from '../support/proxy.ts';

const MOVED = 'A session moved to another account.';
const TWO = [{ name: 'A' }, { name: 'B' }];
const ONE_ROUND_MORE = { KMI_PROXY_RETRY_MAX: '1', KMI_PROXY_RETRY_BASE_MS: '1' };

const chatAs = (proxy: InProcessProxy, session: string) => proxy.chat({}, { headers: { 'x-session-affinity': session } });

async function startTwo(settings: Record<string, string> = {}, strategy = 'sticky') {
  const proxy = await startAccountProxy({ accounts: TWO, strategy, settings });
  return { proxy, a: proxy.simulator.account('A'), b: proxy.simulator.account('B') };
}

/** A session that account A has served. */
async function sessionOnA(proxy: InProcessProxy): Promise<string> {
  for (let n = 0; n < 100; n++) {
    await chatAs(proxy, `s${n}`);
    if (accountsAsked(proxy).at(-1) === 'A') return `s${n}`;
  }
  throw new Error('No session was placed with A.');
}

/** What the log says of moves. */
async function movesLogged(proxy: InProcessProxy): Promise<Record<string, unknown>[]> {
  const lines = (await proxy.log()).split('\n').filter((line) => line.includes(MOVED));
  return lines.map((line) => JSON.parse(line.slice(line.indexOf('{'))) as Record<string, unknown>);
}

describe('a session that failed everywhere', () => {
  it.each(['sticky', 'quota'])('is with its account again after an outage (%s)', async (strategy) => {
    const { proxy, a, b } = await startTwo({}, strategy);
    const session = await sessionOnA(proxy);
    for (const account of [a, b]) account.fail('bad_gateway', { times: 1 });
    const from = proxy.calls().length;
    expect((await chatAs(proxy, session)).status).toBe(502);
    expect((await chatAs(proxy, session)).status).toBe(200);
    expect(accountsAsked(proxy, from)).toEqual(['A', 'B', 'A']);
    expect((await proxy.trace(from + 2)).at(-1)?.choice).toBe('session');
    expect((await proxy.state()).session_moves).toBeUndefined();
  });

  it('is with its account again when the other found fault with the request itself', async () => {
    const { proxy, a, b } = await startTwo();
    const session = await sessionOnA(proxy);
    a.fail('bad_gateway', { times: 1 });
    b.fail('token_limit', { times: 1 });
    const from = proxy.calls().length;
    expect((await chatAs(proxy, session)).status).toBe(400);
    await chatAs(proxy, session);
    expect(accountsAsked(proxy, from)).toEqual(['A', 'B', 'A']);
  });

  it('is with its account again when a page of the network answered in the other one’s place', async () => {
    const { proxy, a, b } = await startTwo();
    const session = await sessionOnA(proxy);
    a.fail('bad_gateway', { times: 1 });
    b.respondWith({ headers: ['content-type', 'text/html'], chunks: ['<html>Sign in</html>'] }, { times: 1 });
    const from = proxy.calls().length;
    expect((await chatAs(proxy, session)).text).toContain('Sign in');
    await chatAs(proxy, session);
    expect(accountsAsked(proxy, from)).toEqual(['A', 'B', 'A']);
    expect((await proxy.state()).session_moves).toBeUndefined();
  });

  it('is placed anew in no other way when it had just been placed', async () => {
    const { proxy, a, b } = await startTwo();
    for (const account of [a, b]) account.fail('bad_gateway', { times: 1 });
    await chatAs(proxy, 'new');
    await chatAs(proxy, 'new');
    const [first, second, third] = accountsAsked(proxy);
    expect(second).not.toBe(first);
    expect(third).toBe(first);
    expect((await proxy.state()).session_moves).toBeUndefined();
    expect((await proxy.trace(2)).map(({ choice }) => choice)).toEqual(['placed', 'session']);
  });
});

describe('a move', () => {
  it('is none when the request comes home in a second round', async () => {
    const { proxy, a, b } = await startTwo(ONE_ROUND_MORE);
    const session = await sessionOnA(proxy);
    a.fail('bad_gateway', { times: 1 });
    b.fail('bad_gateway', { times: 2 });
    expect((await chatAs(proxy, session)).status).toBe(200);
    expect(accountsAsked(proxy).at(-1)).toBe('A');
    const from = proxy.calls().length;
    await chatAs(proxy, session);
    expect(accountsAsked(proxy, from)).toEqual(['A']);
    expect((await proxy.state()).session_moves).toBeUndefined();
    expect(await movesLogged(proxy)).toEqual([]);
  });

  it.each([
    ['bad_gateway', 'broken'],
    ['quota_5h', 'quota'],
    ['rate_limited', 'rate'],
    ['invalid_key', 'bad-key'],
  ] as const)('says why the account could not serve: after %s, %s', async (failure, reason) => {
    const { proxy, a } = await startTwo();
    const session = await sessionOnA(proxy);
    a.fail(failure, { times: 1 });
    expect((await chatAs(proxy, session)).status).toBe(200);
    await proxy.state(({ session_moves }) => session_moves === 1);
    await proxy.log(MOVED);
    expect(await movesLogged(proxy)).toMatchObject([{ from_keys: ['A'], key_label: 'B', reason }]);
  });

  it('is told of in the trace as such', async () => {
    const { proxy, a } = await startTwo();
    const session = await sessionOnA(proxy);
    a.fail('bad_gateway', { times: 1 });
    await chatAs(proxy, session);
    expect((await proxy.trace(proxy.calls().length - 1)).at(-1)?.choice).toBe('moved');
  });

  it('is none in the trace for a session that had no account before', async () => {
    const { proxy, a } = await startTwo();
    a.fail('bad_gateway', { times: 1 });
    let sent = 0;
    while (!accountsAsked(proxy).includes('A') && sent < 100) await chatAs(proxy, `new-${sent++}`);
    expect(accountsAsked(proxy).at(-1)).toBe('B');
    const line = (await proxy.trace(sent)).at(-1);
    expect(line).toMatchObject({ choice: 'placed', tried: [{ key_label: 'A' }] });
  });
});
