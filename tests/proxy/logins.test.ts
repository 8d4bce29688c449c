import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { addLogin, type LoginFileOptions, tokensOf, tokensUsed } from '../support/logins.ts';
import { chatBody, keyOf, startTestProxy, type TestProxy, type TestProxyOptions } from '../support/proxy.ts';

type Member = string | ({ readonly login: string } & LoginFileOptions);

/** A proxy whose accounts are keys (by name) or logins. */
async function startWith(members: readonly Member[], options: TestProxyOptions = {}) {
  const accounts = members.map((member) => (typeof member === 'string' ? member : member.login));
  return startTestProxy({
    accounts,
    ...options,
    writeKeys: async (home, simulator) => {
      for (const member of members) {
        if (typeof member === 'string') await home.addKey({ label: member, key: keyOf(member) });
        else await addLogin(home, simulator, member.login, member);
      }
    },
  });
}

const renewalsOf = ({ simulator: { oauth } }: TestProxy, account: string) => oauth.renewals(account);

describe('a login', () => {
  it('serves like a key, with its access token in the client’s form and the client’s own identity', async () => {
    const proxy = await startWith([{ login: 'a' }]);
    const { access_token: token } = await tokensOf(proxy.home, 'a');
    const identity = { 'user-agent': 'KimiCLI/1.2', 'X-Msh-Platform': 'kimi_code_cli', 'X-Msh-Device-Id': 'd-1' };
    const chat = await proxy.chat({}, { headers: identity });
    const messages = await proxy.send('/messages', {
      headers: { 'content-type': 'application/json', 'x-api-key': 'anything' },
      body: chatBody({ max_tokens: 5 }),
    });
    expect([chat.status, messages.status, proxy.served()]).toEqual([200, 200, 'a a']);
    const [first, second] = proxy.calls();
    expect(first?.headers).toMatchObject({
      authorization: `Bearer ${token}`,
      'user-agent': 'KimiCLI/1.2',
      'x-msh-platform': 'kimi_code_cli',
      'x-msh-device-id': 'd-1',
    });
    expect(second?.headers['x-api-key']).toBe(token);
    expect(proxy.simulator.oauth.received).toEqual([]);
  });

  it('takes its turns beside keys', async () => {
    const proxy = await startWith(['a', { login: 'b' }, { login: 'c' }], { autoRotate: true });
    for (let n = 0; n < 6; n += 1) expect((await proxy.chat()).status).toBe(200);
    expect(proxy.served()).toBe('a b c a b c');
  });
});

describe('an access token that is refused', () => {
  it('is renewed once for all requests that meet it, which go again to the same account', async () => {
    const proxy = await startWith(['a', { login: 'b' }], { state: '{"schema_version":1,"active_key":"b","keys":{}}' });
    expect((await proxy.chat()).status).toBe(200);
    const before = await tokensOf(proxy.home, 'b');
    proxy.simulator.oauth.endAccess('b');
    const answers = await Promise.all(Array.from({ length: 40 }, () => proxy.chat()));
    expect(answers.map(({ status }) => status)).toEqual(Array(40).fill(200));
    expect(new Set(proxy.calls().flatMap(({ status, account }) => (status === 200 ? [account] : [])))).toEqual(new Set(['b']));
    expect(renewalsOf(proxy, 'b')).toBe(1);
    expect((await tokensOf(proxy.home, 'b')).refresh_token).not.toBe(before.refresh_token);
    const { keys } = await proxy.state((state) => state.keys.b?.request_count === 41);
    expect(keys.b).toMatchObject({ error_401: 0, blocked_reason: null, exhausted_until: null });
  });

  it('is unseen by streams, also when it happens again and again', async () => {
    const proxy = await startWith([{ login: 'a' }]);
    for (let n = 1; n <= 2; n += 1) {
      proxy.simulator.oauth.endAccess('a');
      // A token that is refused right after its forerunner is not renewed yet again.
      await eventually(async () => {
        const { status, text } = await proxy.chat({ stream: true });
        expect([status, text]).toEqual([200, expect.stringContaining('[DONE]')]);
        return true;
      });
      expect(renewalsOf(proxy, 'a')).toBe(n);
      if (n < 2) await new Promise((resolve) => setTimeout(resolve, 5_100));
    }
  });

  it('and refused again when it is new: the key is blocked as any other, after one grant', async () => {
    const proxy = await startWith(['b', { login: 'a' }], { state: '{"schema_version":1,"active_key":"a","keys":{}}' });
    proxy.simulator.account('a').faults.add('invalid_key');
    expect((await proxy.chat()).status).toBe(200);
    expect(proxy.calls().map(({ account, status }) => `${account} ${status}`)).toEqual(['a 401', 'a 401', 'b 200']);
    expect(renewalsOf(proxy, 'a')).toBe(1);
    await proxy.state(({ keys }) => keys.a?.blocked_reason === 'auth');
  });

  it('and so is the one that another process has got meanwhile: the client sees nothing of either', async () => {
    const proxy = await startWith([{ login: 'a' }]);
    expect((await proxy.chat()).status).toBe(200);
    await addLogin(proxy.home, proxy.simulator, 'a');
    proxy.simulator.oauth.endAccess('a');
    expect((await proxy.chat()).status).toBe(200);
    expect(proxy.calls().map(({ status }) => status)).toEqual([200, 401, 401, 200]);
    expect(renewalsOf(proxy, 'a')).toBe(1);
  });

  it('and has just been got for another refused one: what another process has written meanwhile is taken', async () => {
    const proxy = await startWith([{ login: 'a' }]);
    for (let n = 1; n <= 3; n += 1) {
      proxy.simulator.oauth.endAccess('a');
      // The second and third time it is too soon for a further renewal, and the watch of the files has not looked yet.
      if (n > 1) await addLogin(proxy.home, proxy.simulator, 'a');
      expect((await proxy.chat()).status).toBe(200);
    }
    expect(renewalsOf(proxy, 'a')).toBe(1);
  });

  it('belongs to a login that is over: others serve, and another login heals it', async () => {
    const proxy = await startWith(['b', { login: 'a' }], { state: '{"schema_version":1,"active_key":"a","keys":{}}' });
    proxy.simulator.oauth.revoke('a');
    expect((await proxy.chat()).status).toBe(200);
    expect(proxy.calls().map(({ account, status }) => `${account ?? '?'} ${status}`)).toEqual(['? 401', 'b 200']);
    expect(proxy.serving.pool.entries.map(({ key }) => [key.label, key.login?.isOver])).toEqual([
      ['a', true],
      ['b', undefined],
    ]);
    expect(proxy.simulator.oauth.received.map(({ step }) => step)).toEqual(['refresh']);
    const { keys } = await proxy.state();
    expect(keys.a).toMatchObject({ error_401: 0, blocked_reason: null });
    // It is not asked again.
    expect((await proxy.chat()).status).toBe(200);
    expect(proxy.simulator.oauth.received).toHaveLength(1);

    await addLogin(proxy.home, proxy.simulator, 'a');
    await expect.poll(() => proxy.serving.pool.entries.find(({ key }) => key.label === 'a')?.key.login?.isOver).toBe(false);
    expect((await proxy.chat()).status).toBe(200);
    expect(proxy.simulator.oauth.received).toHaveLength(1);
  });

  it('of the only account, whose login is over: the client reads what to do, and not that its own login is refused', async () => {
    const proxy = await startWith([{ login: 'a' }]);
    proxy.simulator.oauth.revoke('a');
    const first = await proxy.chat();
    expect([first.status, JSON.parse(first.text).error]).toMatchObject([403, { message: expect.stringContaining('kmi login') }]);
    const second = await proxy.chat();
    expect(second.status).toBe(503);
    expect(JSON.parse(second.text).error.message).toContain('needs a new login');
  });
});

it('a refusal is not handed to a client that has the login too, and would renew it', async () => {
  const proxy = await startWith([{ login: 'a' }]);
  proxy.simulator.account('a').faults.add('invalid_key');
  const { access_token: token } = await tokensOf(proxy.home, 'a');
  const answer = await proxy.chat({}, { headers: { authorization: `Bearer ${token}` } });
  expect(answer.status).toBe(403);
});

it('a 401 of `/usages` that is about the plan renews nothing', async () => {
  const proxy = await startWith([{ login: 'a' }], {
    settings: { KMI_USAGE_CACHE_SECONDS: '600' },
    accounts: [
      {
        name: 'a',
        keys: [],
        behaviour: {
          usagesFault: {
            status: 401,
            body: '{"error":{"message":"We are unable to verify your membership benefits at this time","type":"invalid_authentication_error"}}',
          },
        },
      },
    ],
  });
  await expect.poll(() => proxy.serving.pool.entries[0]?.health?.error ?? null).toContain('membership');
  expect(proxy.simulator.oauth.received).toEqual([]);
});

it('a block ends when Kimi Code, whose login it is, has other tokens', async () => {
  const proxy = await startWith(['b', { login: 'a', ofKimiCode: true }], {
    state: '{"schema_version":1,"active_key":"a","keys":{}}',
  });
  proxy.simulator.account('a').faults.add('invalid_key', { times: 2 });
  expect((await proxy.chat()).status).toBe(200);
  await proxy.state(({ keys }) => keys.a?.blocked_reason === 'auth');
  await addLogin(proxy.home, proxy.simulator, 'a', { ofKimiCode: true });
  await proxy.state(({ keys }) => keys.a?.blocked_reason === null && keys.a.error_401 === 0);
});

it('a request that waits for a token keeps its place among those of the account', async () => {
  const proxy = await startWith([{ login: 'a', endsIn: -1, label: 'a' }], { simulator: { oauth: { latencyMs: 700 } } });
  const inFlight = () => proxy.serving.pool.entries[0]?.inFlight;
  const answers = [proxy.chat(), proxy.chat()];
  await expect.poll(inFlight).toBe(2);
  await proxy.simulator.waitFor(() => proxy.simulator.oauth.received.length === 1);
  expect([inFlight(), proxy.calls().length]).toEqual([2, 0]);
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200]);
  await expect.poll(inFlight).toBe(0);
  proxy.simulator.oauth.endAccess('a');
  const again = proxy.chat();
  await proxy.simulator.waitFor(() => proxy.simulator.oauth.received.length === 2);
  expect(inFlight()).toBe(1);
  expect((await again).status).toBe(200);
  await expect.poll(inFlight).toBe(0);
});

describe('an access token whose time is up', () => {
  it('is renewed before anything is sent, also for a body that can be sent only once', async () => {
    const proxy = await startWith([{ login: 'a', endsIn: -1 }], { settings: { KMI_PROXY_REPLAY_MAX_MB: '1' } });
    const large = chatBody({ messages: [{ role: 'user', content: 'x'.repeat(3 * 1024 * 1024) }] });
    const answers = await Promise.all([proxy.chat({}, { body: large }), proxy.chat()]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(proxy.calls().map(({ status }) => status)).toEqual([200, 200]);
    expect(renewalsOf(proxy, 'a')).toBe(1);
  });

  it('sends requests elsewhere while the authorisation server is away', async () => {
    const proxy = await startWith(['b', { login: 'a', endsIn: -1 }], {
      state: '{"schema_version":1,"active_key":"a","keys":{}}',
    });
    proxy.simulator.oauth.fail({ status: 503 });
    const large = chatBody({ messages: [{ role: 'user', content: 'x'.repeat(20 * 1024 * 1024) }] });
    const answers = await Promise.all([proxy.chat(), proxy.chat({}, { body: large })]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(proxy.calls().map(({ account }) => account)).toEqual(['b', 'b']);
    await proxy.state(({ keys }) => keys.a?.exhausted_reason === 'upstream');
    proxy.simulator.oauth.heal();
    await expect.poll(() => renewalsOf(proxy, 'a')).toBe(1);
  });

  it('of the only account while that server is away: the client reads why', async () => {
    const proxy = await startWith([{ login: 'a', endsIn: -1 }]);
    proxy.simulator.oauth.fail({ status: 503 });
    const answer = await proxy.chat();
    expect([answer.status, JSON.parse(answer.text).error.message]).toEqual([
      502,
      expect.stringContaining('The login of a could not be renewed'),
    ]);
  });
});

it.each([
  ['forward', 86_400_000],
  ['back', -86_400_000],
])('a clock that jumps a day %s fails no request', async (_way, jumpMs) => {
  let offset = 0;
  const proxy = await startWith([{ login: 'a' }], { app: { clock: () => Date.now() + offset } });
  expect((await proxy.chat()).status).toBe(200);
  offset = jumpMs;
  expect((await proxy.chat()).status).toBe(200);
  proxy.simulator.oauth.endAccess('a');
  expect((await proxy.chat()).status).toBe(200);
  expect(proxy.simulator.oauth.reused).toBe(0);
});

describe('in the background', () => {
  it('a token is renewed before half of its life is left over, and not before 30 % of it has passed', async () => {
    const proxy = await startWith([{ login: 'a' }, { login: 'b' }], {
      autoRotate: true,
      // Ends are kept in whole seconds, which must be few of its life.
      simulator: { oauth: { accessLifetimeS: 8 } },
    });
    await eventually(async () => {
      expect((await proxy.chat()).status).toBe(200);
      expect(Math.min(renewalsOf(proxy, 'a'), renewalsOf(proxy, 'b'))).toBeGreaterThanOrEqual(2);
      return true;
    }, 40_000);
    const { grants, reused } = proxy.simulator.oauth;
    expect(reused).toBe(0);
    for (const { lifeLeftShare } of grants) expect(lifeLeftShare).toBeLessThanOrEqual(0.7);
    expect(proxy.calls().every(({ status }) => status === 200)).toBe(true);
    expect(await proxy.log()).not.toContain('The auth files changed');
  });

  it('an authorisation server that is away costs nobody anything while the token is good', async () => {
    const proxy = await startWith([{ login: 'a', endsIn: 300 }]);
    proxy.simulator.oauth.fail({ status: 500 });
    await expect.poll(() => proxy.simulator.oauth.received.length).toBeGreaterThanOrEqual(3);
    expect((await proxy.chat()).status).toBe(200);
    expect(proxy.simulator.oauth.grants).toEqual([]);
    proxy.simulator.oauth.heal();
    await expect.poll(() => renewalsOf(proxy, 'a'), { timeout: 40_000 }).toBe(1);
    expect((await proxy.chat()).status).toBe(200);
  });

  it('a disabled login is left alone, and in dry-run nothing is sent', async () => {
    const disabled = await startWith(['b', { login: 'a', endsIn: -1, disabled: true }]);
    const dry = await startWith([{ login: 'a', endsIn: -1 }], { settings: { KMI_DRY_RUN: '1' } });
    expect((await disabled.chat()).status).toBe(200);
    expect((await dry.chat()).status).toBe(200);
    expect(disabled.simulator.oauth.received).toEqual([]);
    expect(dry.simulator.oauth.received).toEqual([]);
  });

  it('`/usages` and `/me` are asked with the present token, and a 401 of theirs renews it', async () => {
    const proxy = await startWith([{ login: 'a' }], {
      settings: { KMI_USAGE_CACHE_SECONDS: '600' },
      app: { learnAccounts: true },
      simulator: { oauth: { accessLifetimeS: 900 } },
    });
    await proxy.state(({ keys }) => keys.a?.account_id !== undefined);
    await expect.poll(() => proxy.serving.pool.entries[0]?.health?.usage).toBeTruthy();
    const late = await startWith([{ login: 'a', endsIn: -1 }], { settings: { KMI_USAGE_CACHE_SECONDS: '600' } });
    await expect.poll(() => late.serving.pool.entries[0]?.health?.usage).toBeTruthy();
    expect(renewalsOf(late, 'a')).toBe(1);
  });
});

it('no token is in the log, the trace, the state or the books', async () => {
  const proxy = await startWith(['b', { login: 'a' }], { autoRotate: true, simulator: { oauth: { accessLifetimeS: 4 } } });
  const given = [await tokensOf(proxy.home, 'a')];
  await eventually(async () => {
    await proxy.chat();
    proxy.simulator.oauth.endAccess('a');
    expect(renewalsOf(proxy, 'a')).toBeGreaterThanOrEqual(3);
    return true;
  }, 40_000);
  proxy.simulator.oauth.revoke('a');
  await proxy.chat();
  given.push(await tokensOf(proxy.home, 'a'));
  await proxy.serving.stop();
  const tokens = [
    ...given.flatMap(({ access_token, refresh_token }) => [access_token, refresh_token]),
    ...tokensUsed(proxy.simulator),
  ];
  const { stateDir } = proxy.home;
  for (const name of await readdir(stateDir, { recursive: true })) {
    if (name.startsWith('logins')) continue;
    const text = await readFile(join(stateDir, name), 'latin1').catch(() => '');
    for (const token of tokens) expect(text.includes(token) ? name : null).toBeNull();
  }
});
