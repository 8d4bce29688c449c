import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Sessions } from '../../src/core/sessions/session-table.ts';
import { sessionsPath } from '../../src/state/affinity-files.ts';
import { accountsAsked, startAccountProxy, startSecondProxy } from '../support/accounts.ts';
import type { InProcessProxy } from '../support/proxy.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const FIVE = ['A', 'B', 'C', 'D', 'E'].map((name) => ({ name }));
const UUID = '6d2f1c1e-9a4b-4c0e-8d37-2f0a1b9c8e77';

const chatAs = (proxy: InProcessProxy, session: string, extra: object = {}) =>
  proxy.chat(extra, { headers: { 'x-session-affinity': session } });

/** The account of the last call. */
const lastAccount = (proxy: InProcessProxy) => accountsAsked(proxy).at(-1) as string;

/** A session name that is placed with this account. */
async function sessionOn(proxy: InProcessProxy, account: string, prefix = 's'): Promise<string> {
  for (let n = 0; n < 200; n++) {
    await chatAs(proxy, `${prefix}${n}`);
    if (lastAccount(proxy) === account) return `${prefix}${n}`;
  }
  throw new Error(`No session was placed with ${account}.`);
}

describe('sticky', () => {
  it('keeps each session with its account, and spreads the sessions', async () => {
    const proxy = await startAccountProxy({ accounts: FIVE, strategy: 'sticky' });
    const seen = new Map<string, Set<string>>();
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 20; n++) {
        await chatAs(proxy, `session-${n}`);
        seen.set(`session-${n}`, (seen.get(`session-${n}`) ?? new Set()).add(lastAccount(proxy)));
      }
    }
    expect([...seen.values()].map(({ size }) => size)).toEqual(Array(20).fill(1));
    expect(new Set(accountsAsked(proxy)).size).toBeGreaterThanOrEqual(4);
    const choices = (await proxy.trace(60)).map(({ choice }) => choice);
    expect(choices).toEqual([...Array(20).fill('placed'), ...Array(40).fill('session')]);
  });

  it('has one account for the two keys of one, and turns to the second key when the first is wrong', async () => {
    const proxy = await startAccountProxy({ accounts: [{ name: 'A', labels: ['a1', 'a2'] }, { name: 'B' }], strategy: 'sticky' });
    const session = await sessionOn(proxy, 'A');
    proxy.simulator.account('A').fail('invalid_key', { times: 1 });
    await chatAs(proxy, session);
    const last = proxy.calls().slice(-2);
    expect(last.map(({ account }) => account)).toEqual(['A', 'A']);
    expect(new Set(last.map(({ key }) => key)).size).toBe(2);
    expect((await proxy.state()).session_moves).toBeUndefined();
  });

  const long = { messages: [{ role: 'user', content: 'x'.repeat(120_000) }] };
  it.each<[string, (turn: number) => { extra?: object; headers?: Record<string, string> }]>([
    ['x-claude-code-session-id', () => ({ headers: { 'X-Claude-Code-Session-Id': UUID } })],
    ['x-session-affinity', () => ({ headers: { 'x-session-affinity': 'ses_1' } })],
    ['session-id', () => ({ headers: { 'session-id': UUID } })],
    ['session_id', () => ({ headers: { session_id: UUID } })],
    ['x-session-id', () => ({ headers: { 'x-session-id': UUID } })],
    ['prompt_cache_key', (turn) => ({ extra: { prompt_cache_key: 'session-1', temperature: turn } })],
    ['prompt_cache_key behind 120 KB', (turn) => ({ extra: { ...long, turn, prompt_cache_key: 'session-1' } })],
    ['metadata.user_id', (turn) => ({ extra: { turn, metadata: { user_id: 'session-1' } } })],
    [
      'Claude Code in metadata.user_id',
      (turn) => ({ extra: { metadata: { user_id: `user_${turn}_account_x_session_${UUID}` } } }),
    ],
    [
      'the head of the conversation',
      (turn) => ({
        extra: {
          messages: [
            { role: 'system', content: 'You are an agent.' },
            { role: 'user', content: 'Write a parser for me.' },
            ...Array.from({ length: turn }, (_, n) => ({ role: n % 2 === 0 ? 'assistant' : 'user', content: `turn ${n}` })),
          ],
        },
      }),
    ],
  ])('knows a session by %s', async (_, request) => {
    const proxy = await startAccountProxy({ accounts: FIVE, strategy: 'sticky' });
    for (let turn = 0; turn < 4; turn++) {
      const { extra = {}, headers = {} } = request(turn);
      // Another session between, so that a session told by its place would show.
      if (turn > 0) await chatAs(proxy, `other-${turn}`);
      expect((await proxy.chat(extra, { headers })).status).toBe(200);
    }
    const choices = (await proxy.trace(7)).map(({ choice }) => choice);
    expect(choices).toEqual(['placed', 'placed', 'session', 'placed', 'session', 'placed', 'session']);
    expect(new Set(accountsAsked(proxy).filter((_account, n) => n % 2 === 0)).size).toBe(1);
  });

  it('deals requests without a session in turn, over the accounts', async () => {
    const proxy = await startAccountProxy({
      accounts: [{ name: 'A', labels: ['a1', 'a2'] }, { name: 'B' }, { name: 'C' }],
      strategy: 'sticky',
    });
    for (let n = 0; n < 6; n++) await proxy.send('/models', { method: 'GET' });
    expect(proxy.served()).toBe('A B C A B C');
    expect((await proxy.trace(6)).map(({ choice }) => choice)).toEqual(Array(6).fill('dealt'));
  });

  it('moves a session once when its account is used up, and counts what the cache lost', async () => {
    const proxy = await startAccountProxy({ accounts: FIVE, strategy: 'sticky' });
    const session = await sessionOn(proxy, 'C');
    const other = await sessionOn(proxy, 'C', 'other-');
    const tokens = JSON.parse((await chatAs(proxy, session)).text).usage.prompt_tokens as number;
    const otherTokens = JSON.parse((await chatAs(proxy, other)).text).usage.prompt_tokens as number;
    const from = proxy.calls().length;
    proxy.simulator.account('C').fail('quota_weekly');
    for (let n = 0; n < 3; n++) expect((await chatAs(proxy, session)).status).toBe(200);
    const [tried, home, ...rest] = accountsAsked(proxy, from);
    expect(tried).toBe('C');
    expect(home).not.toBe('C');
    expect(rest).toEqual([home, home]);
    await chatAs(proxy, other);
    const lines = (await proxy.trace(from + 4)).slice(-4);
    expect(lines.map(({ choice }) => choice)).toEqual(['moved', 'session', 'session', 'moved']);
    expect(lines[0]?.tried).toEqual([{ key_label: 'C', status: 403, verdict: 'quota' }]);
    expect(lines[3]?.skipped).toEqual(expect.arrayContaining([{ key_label: 'C', reason: 'quota' }]));
    const state = await proxy.state(({ session_moves }) => session_moves === 2);
    expect(state.session_move_tokens).toBe(tokens + otherTokens);
    expect(await proxy.log('A session moved to another account.')).toContain('"from_keys":["C"]');
  });

  it('comes back to nobody: a session that moved stays where it is when its old account returns', async () => {
    const proxy = await startAccountProxy({ accounts: FIVE, strategy: 'sticky' });
    const session = await sessionOn(proxy, 'B');
    proxy.simulator.account('B').fail('bad_gateway', { times: 1 });
    await chatAs(proxy, session);
    const home = lastAccount(proxy);
    expect(home).not.toBe('B');
    await chatAs(proxy, session);
    expect(lastAccount(proxy)).toBe(home);
    expect((await proxy.state(({ session_moves }) => session_moves !== undefined)).session_moves).toBe(1);
  });

  it('does not call it a move when the first account of a new session refuses', async () => {
    const proxy = await startAccountProxy({ accounts: FIVE.slice(0, 2), strategy: 'sticky' });
    for (const { name } of FIVE.slice(0, 2)) proxy.simulator.account(name).fail('rate_limited', { times: 1 });
    await chatAs(proxy, 'new');
    expect((await proxy.state()).session_moves).toBeUndefined();
  });

  it('knows the sessions again after a restart, and survives a damaged memory', async () => {
    const proxy = await startAccountProxy({ accounts: FIVE, strategy: 'sticky' });
    // One that the hash alone would not find: it had to move.
    const session = await sessionOn(proxy, 'A');
    proxy.simulator.account('A').fail('rate_limited', { times: 1 });
    await chatAs(proxy, session);
    const home = lastAccount(proxy);
    await proxy.serving.stop();
    const lines = (await proxy.trace(1)).length;
    const settings = { KMI_ROTATE_STRATEGY: 'sticky' };
    const state = '{"schema_version":1,"auto_rotate":true,"keys":{}}';
    const again = await startSecondProxy(proxy, { home: proxy.home, writeKeys: async () => undefined, settings });
    await chatAs(again, session);
    expect(lastAccount(proxy)).toBe(home);
    expect((await again.trace(lines + 1)).at(-1)?.choice).toBe('session');
    await again.serving.stop();
    await writeFile(sessionsPath(proxy.home.stateDir), 'garbage');
    const third = await startSecondProxy(proxy, { home: proxy.home, writeKeys: async () => undefined, settings, state });
    expect((await chatAs(third, session)).status).toBe(200);
    expect((await third.trace(lines + 2)).at(-1)?.choice).toBe('placed');
    await third.log(join(proxy.home.stateDir, 'sessions.bin'));
  });

  it('agrees with another proxy that it never talks to', async () => {
    const first = await startAccountProxy({ accounts: FIVE, strategy: 'sticky' });
    const writeKeys = async (home: { addKey(key: { label: string; key: string }): Promise<unknown> }) => {
      // Other labels in another order: only the accounts are the same.
      for (const { key } of [...first.serving.pool.entries].reverse())
        await home.addKey({ label: `x-${key.label}`, key: key.value });
    };
    const second = await startSecondProxy(first, { writeKeys, autoRotate: true, settings: { KMI_ROTATE_STRATEGY: 'sticky' } });
    await first.simulator.waitFor((all) => all.filter(({ path }) => path.endsWith('/me')).length === 10);
    await second.state(({ keys }) => Object.values(keys).filter(({ account_id }) => account_id !== undefined).length === 5);
    for (let n = 0; n < 20; n++) {
      await chatAs(first, `s${n}`);
      const account = lastAccount(first);
      await chatAs(second, `s${n}`);
      expect(lastAccount(first)).toBe(account);
    }
  });

  it('takes sessions along when the account of their key becomes known', async () => {
    const proxy = await startAccountProxy({ accounts: FIVE, strategy: 'sticky', app: { learnAccounts: true } });
    const { pool } = proxy.serving;
    await chatAs(proxy, 's');
    const home = lastAccount(proxy);
    const entry = pool.entries.find(({ key }) => key.label === home);
    pool.setAccount(home, { id: 'ab'.repeat(8), at: Date.now() });
    expect(entry?.accountId).toBe('ab'.repeat(8));
    const unknown = new Sessions();
    unknown.set(7, `key:${home}`, 1);
    pool.affinityStore.sessions.merge([...unknown.entries()]);
    pool.nameAccounts();
    expect(pool.affinityStore.sessions.accountOf(7)).toBe('ab'.repeat(8));
  });
});

describe('quota', () => {
  const week = (resetsInMs: number, used: number) => ({
    fiveHour: { limit: 100, used: 0, resetsAt: Date.now() + 2 * HOUR },
    weekly: { limit: 1000, used, resetsAt: Date.now() + resetsInMs },
  });

  it('places sessions where quota would expire first, and keeps them there', async () => {
    const proxy = await startAccountProxy({
      accounts: [
        { name: 'A', quota: week(6 * DAY, 100) },
        { name: 'B', quota: week(8 * HOUR, 400) },
        { name: 'C', quota: week(5 * DAY, 100) },
      ],
      strategy: 'quota',
      settings: { KMI_USAGE_CACHE_SECONDS: '600' },
    });
    for (let n = 0; n < 3; n++) await chatAs(proxy, `s${n}`);
    for (let n = 0; n < 3; n++) await chatAs(proxy, `s${n}`);
    expect(proxy.served()).toBe('B B B B B B');
    expect((await proxy.trace(6)).map(({ choice }) => choice)).toEqual([...Array(3).fill('placed'), ...Array(3).fill('session')]);
  });

  it('knows of a session before its first answer, so that a burst of new ones is spread', async () => {
    const proxy = await startAccountProxy({
      accounts: [
        { name: 'A', quota: week(3 * DAY, 0) },
        { name: 'B', quota: week(3 * DAY, 0) },
      ],
      strategy: 'quota',
      simulator: { behaviour: { latencyMs: 100 } },
      settings: { KMI_USAGE_CACHE_SECONDS: '600' },
    });
    await Promise.all(Array.from({ length: 10 }, (_, n) => chatAs(proxy, `s${n}`)));
    expect([...accountsAsked(proxy)].sort().join('')).toBe('AAAAABBBBB');
  });
});
