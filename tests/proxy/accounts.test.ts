import { describe, expect, it } from 'vitest';
import { hashAccountId } from '../../src/accounts/fetch-account.ts';
import { accountsAsked, startAccountProxy, startSecondProxy } from '../support/accounts.ts';
import { eventually } from '../support/eventually.ts';
import { keyOf, startBinaryProxy, startTestProxy } from '../support/proxy.ts';

const HOUR = 3_600_000;
const TWO_KEYS = [{ name: 'A', userId: 'user-of-A', labels: ['a1', 'a2'] }, { name: 'B' }];

/** What was asked beside the clients' requests. */
const asides = (proxy: Awaited<ReturnType<typeof startTestProxy>>, end: string) =>
  proxy.simulator.received.filter(({ path }) => path.endsWith(end));

describe('accounts', () => {
  it('are learned with one /me a key and nothing else, kept over a restart, and their ids stay unknown', async () => {
    const proxy = await startAccountProxy({ accounts: TWO_KEYS });
    const { keys } = await proxy.state(({ keys: { a1, a2, B } }) => [a1, a2, B].every((key) => key?.account_id !== undefined));
    expect(keys.a1?.account_id).toBe(hashAccountId('user-of-A'));
    expect(keys.a2?.account_id).toBe(keys.a1?.account_id);
    expect(keys.B?.account_id).not.toBe(keys.a1?.account_id);
    expect(proxy.simulator.received.map(({ path }) => path)).toEqual(Array(3).fill('/coding/v1/me'));
    expect(JSON.stringify(keys) + (await proxy.log())).not.toContain('user-of-A');
    await proxy.serving.stop();
    const again = await startSecondProxy(proxy, { home: proxy.home, writeKeys: async () => undefined });
    expect((await again.chat()).status).toBe(200);
    expect(asides(proxy, '/me')).toHaveLength(3);
    expect(again.serving.pool.entries.map(({ accountId }) => accountId)).toEqual([
      keys.a1?.account_id,
      keys.a2?.account_id,
      keys.B?.account_id,
    ]);
  });

  it.each(['invalid_key', 'hang', 'refuse'] as const)('that cannot be learned (%s) matter to nobody', async (fault) => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], autoRotate: true, app: { learnAccounts: true } });
    for (const name of ['a', 'b']) proxy.simulator.account(name).fail(fault, { on: ['me'] });
    for (let n = 0; n < 4; n++) expect((await proxy.chat()).status).toBe(200);
    expect(proxy.served()).toBe('a b a b');
    await proxy.simulator.waitFor((all) => all.some(({ path }) => path.endsWith('/me')));
    const { keys } = await proxy.state(({ keys: { a } }) => a?.request_count === 2);
    expect([keys.a?.blocked_reason, keys.a?.error_401]).toEqual([null, 0]);
  });

  it('are not asked for in dry-run', async () => {
    const proxy = await startTestProxy({ app: { learnAccounts: true }, settings: { KMI_DRY_RUN: '1' } });
    expect((await proxy.chat()).status).toBe(200);
    expect(proxy.simulator.received).toEqual([]);
  });

  it('are learned by the built binary too', async () => {
    const proxy = await startBinaryProxy();
    await proxy.state(({ keys: { a } }) => a?.account_id !== undefined);
  });

  it('are forgotten and asked for again when a label stands for another credential', async () => {
    const proxy = await startAccountProxy({ accounts: TWO_KEYS });
    const { keys } = await proxy.state(({ keys: { a2 } }) => a2?.account_id !== undefined);
    proxy.simulator.addAccount({ name: 'C', keys: [keyOf('c')] });
    await proxy.home.addKey({ label: 'a2', key: keyOf('c'), priority: 99 });
    const after = await proxy.state((state) => {
      const id = state.keys.a2?.account_id;
      return id !== undefined && id !== keys.a1?.account_id;
    });
    expect(after.keys.a1?.account_id).toBe(keys.a1?.account_id);
    expect(asides(proxy, '/me')).toHaveLength(4);
  });
});

describe('the keys of one account', () => {
  it('keep their places in round-robin', async () => {
    const proxy = await startAccountProxy({ accounts: TWO_KEYS });
    for (let n = 0; n < 6; n++) await proxy.chat();
    expect(proxy.calls().map(({ key }) => key)).toEqual(['a1', 'a2', 'B', 'a1', 'a2', 'B'].map(keyOf));
  });

  it('are on cooldown together, so that a request asks a used-up account once', async () => {
    const resetsAt = Math.ceil(Date.now() / 1000) * 1000 + 3 * HOUR;
    const quota = { fiveHour: { limit: 100, used: 100, resetsAt } };
    const proxy = await startAccountProxy({ accounts: [{ ...TWO_KEYS[0], name: 'A', quota }, { name: 'B' }], strategy: null });
    expect((await proxy.chat()).status).toBe(200);
    expect(proxy.served()).toBe('A B');
    const { keys } = await proxy.state(({ keys: { a1, a2 } }) =>
      [a1, a2].every((key) => Date.parse(key?.exhausted_until ?? '') === resetsAt),
    );
    expect(keys.a2).toMatchObject({ exhausted_reason: 'quota', error_403: 0, request_count: 0 });
    const log = await proxy.log('The keys of an account are on cooldown.');
    expect(log.match(/on cooldown/g)).toHaveLength(1);
  });

  it('come back together when the quota does', async () => {
    const resetsAt = Date.now() + 3 * HOUR;
    const quota = { fiveHour: { limit: 100, used: 100, resetsAt } };
    const proxy = await startAccountProxy({ accounts: [{ ...TWO_KEYS[0], name: 'A', quota }, { name: 'B' }], strategy: null });
    await proxy.chat();
    const { pool } = proxy.serving;
    const onCooldown = () => pool.entries.filter(({ state }) => (state.cooldown?.until ?? 0) > Date.now() + HOUR);
    await eventually(() => onCooldown().length === 2 || undefined);
    const window = { label: '5h limit', remainingShare: 1, used: 0, limit: 100, resetsAt, resetHint: null, durationMs: 5 * HOUR };
    const usage = { windows: [window], remainingShare: 1, walletCents: null, parallelLimit: null, plan: null };
    // Later than the reading that put them on cooldown, which may be of this very millisecond.
    pool.setHealth('a2', { usage, error: null, fetchedAt: Date.now() + 1 });
    expect(pool.entries.map(({ state }) => state.cooldown)).toEqual([null, null, null]);
    expect(pool.entries.map(({ health }) => health?.usage?.remainingShare ?? null)).toEqual([1, 1, null]);
  });

  it('are blamed one by one for what is their own', async () => {
    const proxy = await startAccountProxy({ accounts: TWO_KEYS, strategy: null });
    proxy.simulator.account('A').fail('invalid_key', { times: 1 });
    expect((await proxy.chat()).status).toBe(200);
    expect(proxy.calls().map(({ key }) => key)).toEqual(['a1', 'a2'].map(keyOf));
    const { keys } = await proxy.state(({ keys: { a1 } }) => a1?.blocked_reason === 'auth');
    expect(keys.a2).toMatchObject({ blocked_reason: null, exhausted_until: null });
  });

  it('share the refusal of an unpaid account, and a key blocked for its own sake keeps its block', async () => {
    const proxy = await startAccountProxy({
      accounts: [{ name: 'A', labels: ['a1', 'a2', 'a3'] }, { name: 'B' }],
      strategy: null,
    });
    proxy.simulator.account('A').fail('invalid_key', { times: 1 });
    await proxy.chat();
    proxy.simulator.account('A').fail('membership_unverified');
    expect((await proxy.chat()).status).toBe(200);
    expect(accountsAsked(proxy)).toEqual(['A', 'A', 'A', 'B']);
    const { keys } = await proxy.state(({ keys: { a3 } }) => a3?.blocked_reason === 'payment_required');
    expect([keys.a1?.blocked_reason, keys.a2?.blocked_reason]).toEqual(['auth', 'payment_required']);
  });

  it('are back together when one of them answers a recheck, but for what is a key of its own', async () => {
    const proxy = await startAccountProxy({
      accounts: [{ name: 'A', labels: ['a1', 'a2', 'a3'] }, { name: 'B' }],
      strategy: null,
    });
    const account = proxy.simulator.account('A');
    account.fail('invalid_key', { times: 1 });
    await proxy.chat();
    account.fail('membership_unverified', { times: 1 });
    await proxy.chat();
    await proxy.state(({ keys: { a3 } }) => a3?.blocked_reason === 'payment_required');
    const { pool } = proxy.serving;
    pool.answeredAgain('a3');
    const { keys } = await proxy.state(({ keys: { a3 } }) => a3?.blocked_reason === null);
    expect([keys.a1?.blocked_reason, keys.a2?.blocked_reason]).toEqual(['auth', null]);
  });

  it('are counted as rate limited together, and together no more once one of them serves', async () => {
    const proxy = await startAccountProxy({ accounts: TWO_KEYS, strategy: null });
    proxy.simulator.account('A').fail('rate_limited', { times: 1 });
    await proxy.chat();
    const { pool } = proxy.serving;
    expect(pool.entries.map(({ rateLimitsInARow, state }) => [rateLimitsInARow, state.cooldown?.reason ?? null])).toEqual([
      [1, 'rate'],
      [1, 'rate'],
      [0, null],
    ]);
    const [, a2] = pool.entries;
    if (a2 !== undefined) pool.served(a2, []);
    expect(pool.entries.map(({ rateLimitsInARow }) => rateLimitsInARow)).toEqual([0, 0, 0]);
  });
});
