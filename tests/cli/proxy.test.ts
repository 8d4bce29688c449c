import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SETTINGS } from '../../src/config/settings.ts';
import { StateStore, statePath } from '../../src/state/store.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryHome } from '../support/home.ts';
import { send } from '../support/http-client.ts';
import { type BinaryProxy, chatBody, keyOf, startBinaryProxy, type TestProxyOptions } from '../support/proxy.ts';
import { soon } from '../support/soon.ts';
import { runKmi, startKmi } from '../support/spawn.ts';

type WriteKeys = NonNullable<TestProxyOptions['writeKeys']>;

const chats = async (proxy: BinaryProxy, count: number) => {
  for (let n = 0; n < count; n++) expect((await proxy.chat()).status).toBe(200);
};

describe('which key serves', () => {
  it('round-robin over three keys is a, b, c, a, b, c', async () => {
    const proxy = await startBinaryProxy({
      accounts: ['a', 'b', 'c'],
      autoRotate: true,
      settings: { KMI_USAGE_CACHE_SECONDS: '600' },
    });
    await chats(proxy, 6);
    expect(proxy.served()).toBe('a b c a b c');
    const { keys } = await proxy.state(({ keys }) => keys.c?.request_count === 2);
    expect(Object.values(keys).map((key) => key.request_count)).toEqual([2, 2, 2]);
  });

  it('without round-robin the active key serves every request', async () => {
    const proxy = await startBinaryProxy({ accounts: ['a', 'b', 'c'] });
    await chats(proxy, 3);
    expect(proxy.served()).toBe('a a a');
  });

  it('a disabled key never serves, and a higher priority comes first', async () => {
    const writeKeys: WriteKeys = async (home) => {
      await home.addKey({ label: 'a', key: keyOf('a') });
      await home.addKey({ label: 'b', key: keyOf('b'), disabled: true });
      await home.addKey({ label: 'c', key: keyOf('c'), priority: 5 });
    };
    const proxy = await startBinaryProxy({ accounts: ['a', 'b', 'c'], writeKeys, autoRotate: true });
    await chats(proxy, 4);
    expect(proxy.served()).toBe('c a c a');
  });

  it('a change of state.json by another process moves the next request within a second', async () => {
    const proxy = await startBinaryProxy({ accounts: ['a', 'b', 'c'] });
    await chats(proxy, 2);
    await proxy.state(({ keys }) => keys.a?.request_count === 2);
    const store = await StateStore.open({
      path: statePath(proxy.home.stateDir),
      clock: Date.now,
      log: { warn: () => undefined },
    });
    store.change({ keys: new Map(), activeKey: { label: 'c', index: 2 } });
    await store.save();
    await store.close();
    const changedAt = performance.now();
    await eventually(async () => {
      await chats(proxy, 1);
      return proxy.served().endsWith('c') ? true : undefined;
    });
    expect(performance.now() - changedAt).toBeLessThan(soon(1500));
    await chats(proxy, 2);
    // Neither side lost the other's part.
    const total = proxy.calls().length;
    const count = (state: { keys: Record<string, { request_count: number }> }) =>
      Object.values(state.keys).reduce((sum, key) => sum + key.request_count, 0);
    expect((await proxy.state((state) => count(state) === total)).active_key).toBe('c');
  });

  it('`kmi rotate`, `kmi rotate auto` and `kmi rotate off` beside a running proxy move its next requests', async () => {
    const settings = { KMI_AUTO_ROTATE_ALLOWED: '1', KMI_AUTO_ROTATE_E2E: '0' };
    const proxy = await startBinaryProxy({ accounts: ['a', 'b', 'c'], settings });
    const env = { ...proxy.home.env, ...settings, KMI_DRY_RUN: '0', KMI_UPSTREAM_BASE_URL: proxy.simulator.baseUrl };
    const kmi = async (...args: string[]) => {
      const { code, stderr, stdout } = await runKmi(args, { env, cwd: proxy.home.root });
      expect([code, stderr + stdout]).toEqual([0, expect.any(String)]);
    };
    const until = (ending: string) =>
      eventually(async () => {
        await chats(proxy, 1);
        return proxy.served().endsWith(ending) ? true : undefined;
      });
    await chats(proxy, 1);
    await proxy.state(({ keys }) => keys.a?.request_count === 1);
    await kmi('rotate');
    await until('b b');
    await kmi('rotate', 'auto');
    await until('a b c a b c');
    await kmi('rotate', 'off');
    await until('b b b');
  });
});

it('every auth format is read and used', async () => {
  const writeKeys: WriteKeys = async ({ authsDir }, { baseUrl }) => {
    await mkdir(join(authsDir, 'sub'));
    const files = {
      'a.env': `KMI_API_KEY=${keyOf('a')}\nKMI_UPSTREAM_BASE_URL=${baseUrl}\n`,
      'b_config.toml': `# mine\n[providers."managed:kimi-code"]\ntype = "kimi"\nbase_url = "${baseUrl}"\napi_key = "${keyOf('b')}"\n`,
      'c-config.json': JSON.stringify({ providers: { 'kimi-for-coding': { api_key: keyOf('c'), base_url: baseUrl } } }),
      'd.json.bak': JSON.stringify({ providers: { 'moonshot-ai': { api_key: keyOf('d'), base_url: baseUrl } } }),
      'e.bak': `[providers.other]\napi_key = "${keyOf('e')}"\nbase_url = "${baseUrl}"\n`,
      'sub/nested.env': `KMI_API_KEY="${keyOf('f')}"\nKMI_KEY_LABEL=f\n`,
      'ignored.txt': `KMI_API_KEY=${keyOf('ignored')}\n`,
      'broken.json': '{"providers":',
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(authsDir, name), text, { mode: 0o600 });
  };
  const proxy = await startBinaryProxy({ accounts: ['a', 'b', 'c', 'd', 'e', 'f', 'ignored'], writeKeys, autoRotate: true });
  await proxy.kmi.waitForOutput(/6 keys, 2 files skipped/);
  await chats(proxy, 12);
  expect(proxy.served()).toBe('a b c d e f a b c d e f');
  const lines = await proxy.trace(12);
  expect(lines.slice(0, 6).map(({ key_label }) => key_label)).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
});

describe('the state file', () => {
  const PYTHON = {
    schema_version: 1,
    active_index: 1,
    rotation_index: 2,
    auto_rotate: false,
    last_health_refresh: '2026-02-02T09:00:00Z',
    keys: {
      a: entry({ request_count: 41, error_429: 3, last_used: '2026-02-02T08:59:00Z' }),
      b: entry({ request_count: 7, exhausted_until: '2099-01-01T00:00:00Z', error_403: 1 }),
      c: entry({ request_count: 2, blocked_until: '2099-01-01T00:00:00Z', blocked_reason: 'payment_required' }),
      d: entry({ request_count: 5 }),
      gone: entry({ request_count: 99 }),
    },
  };

  function entry(fields: object) {
    const none = { last_used: null, request_count: 0, error_401: 0, error_403: 0, error_429: 0, error_5xx: 0 };
    return { ...none, exhausted_until: null, blocked_until: null, blocked_reason: null, ...fields };
  }

  it('of the Python tool is taken over without loss', async () => {
    const proxy = await startBinaryProxy({ accounts: ['a', 'b', 'c', 'd'], state: JSON.stringify(PYTHON) });
    await chats(proxy, 2);
    // The active key, the second one, is on cooldown and the third blocked.
    expect(proxy.served()).toBe('d d');
    const state = await proxy.state(({ keys }) => keys.d?.request_count === 7);
    expect(state).toMatchObject({ schema_version: 1, auto_rotate: false, rotation_index: 2, active_key: 'd', active_index: 3 });
    for (const label of ['a', 'b', 'c', 'gone'] as const) expect(state.keys[label]).toMatchObject(PYTHON.keys[label]);
  });

  it('of the Python tool with round-robin on goes on where it was', async () => {
    const state = JSON.stringify({ ...PYTHON, auto_rotate: true });
    const proxy = await startBinaryProxy({ accounts: ['a', 'b', 'c', 'd'], state, settings: { KMI_AUTO_ROTATE_ALLOWED: '1' } });
    await chats(proxy, 3);
    expect(proxy.served()).toBe('d a d');
  });

  it.each(['{"schema_version": 1, "keys": {', 'not json', '[]', '\u0000\u0001'])(
    'that is not usable (%j) is moved aside, and the proxy serves',
    async (text) => {
      const proxy = await startBinaryProxy({ accounts: ['a', 'b'], state: text });
      await chats(proxy, 1);
      const names = await readdir(proxy.home.stateDir);
      const aside = names.find((name) => name.startsWith('state.json.corrupt.')) as string;
      expect(await readFile(join(proxy.home.stateDir, aside), 'utf8')).toBe(text);
      expect((await proxy.state(({ keys }) => keys.a?.request_count === 1)).active_key).toBe('a');
      expect(proxy.kmi.output()).toContain('moved aside');
    },
  );

  it.each([
    '{}',
    '{"schema_version": 99, "keys": {"a": {"request_count": "many", "exhausted_until": "soon"}}, "active_index": 1e9}',
    '{"keys": {"a": null, "b": 7, "__proto__": {"blocked_reason": "x"}}, "active_index": -3, "rotation_index": 2.5}',
  ])('with odd content (%s) is read as far as it makes sense', async (text) => {
    const proxy = await startBinaryProxy({ accounts: ['a', 'b'], state: text });
    await chats(proxy, 1);
    expect((await readdir(proxy.home.stateDir)).some((name) => name.includes('corrupt'))).toBe(false);
  });
});

describe('bad settings', () => {
  /** One unusable value for each setting that does not refuse a word. */
  const BAD: Readonly<Record<string, string>> = {
    KMI_UPSTREAM_BASE_URL: 'http://gateway.example/coding/v1',
    KMI_UPSTREAM_ALLOWLIST: 'https://api.kimi.com',
    KMI_UPSTREAM_PROXY: 'ftp://proxy',
    KMI_PROXY_LISTEN: '127.0.0.1',
    KMI_PROXY_BASE_PATH: 'v1',
    KMI_PROXY_ALLOWED_HOSTS: 'a/b',
    KMI_PROXY_ALLOWED_ORIGINS: 'app.example',
    KMI_TIMEZONE: 'Mars/Olympus',
    ...Object.fromEntries(
      ['KMI_AUTHS_DIR', 'KMI_STATE_DIR', 'KMI_PROXY_TLS_CERT', 'KMI_PROXY_TLS_KEY'].map((variable) => [variable, '$NOWHERE/x']),
    ),
    KMI_PROXY_TOKEN: '<your token>',
    KMI_AUDIT_ACTOR: '$USER',
  };
  const rows = Object.values(SETTINGS);
  const badValueOf = (variable: string) => BAD[variable] ?? 'twelve';

  it('are all reported at once: variable, value and what is accepted', async () => {
    const home = await temporaryHome();
    const bad = Object.fromEntries(rows.map(({ variable }) => [variable, badValueOf(variable)]));
    const { code, stdout, stderr } = await runKmi(['proxy', '--foreground'], { env: { ...home.env, ...bad }, cwd: home.root });
    expect([code, stdout]).toEqual([2, '']);
    for (const { variable, accepts, secret } of rows) {
      expect(stderr).toContain(`${variable}=${secret ? '(hidden)' : bad[variable]}  accepted: ${accepts}`);
    }
    expect(stderr).toContain(`${rows.length} settings are not usable`);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it.each(rows.map(({ variable }) => variable))('%s alone stops the proxy with exit code 2', async (variable) => {
    const home = await temporaryHome();
    await home.addKey({ label: 'a' });
    const env = { ...home.env, [variable]: badValueOf(variable) };
    const { code, stderr } = await runKmi(['proxy', '--foreground'], { env, cwd: home.root });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^kmi: One setting is not usable/);
    expect(stderr).toContain(variable);
  });

  it.each([
    [
      'an upstream outside the allowlist',
      { KMI_UPSTREAM_ALLOWLIST: 'api.moonshot.ai' },
      /KMI_UPSTREAM_BASE_URL=.*KMI_UPSTREAM_ALLOWLIST/,
    ],
    ['half of a TLS pair', { KMI_PROXY_TLS_CERT: '/cert.pem' }, /KMI_PROXY_TLS_KEY.*because KMI_PROXY_TLS_CERT is set/],
    ['an env file that is not there', { KMI_ENV_PATH: '/nowhere/.env' }, /\/nowhere\/\.env cannot be read \(ENOENT\)/],
  ])('that do not go together are reported as well: %s', async (_, settings, said) => {
    const home = await temporaryHome();
    const { code, stderr } = await runKmi(['proxy', '--foreground'], { env: { ...home.env, ...settings }, cwd: home.root });
    expect(code).toBe(2);
    expect(stderr).toMatch(said);
  });
});

describe('without keys', () => {
  it('the proxy does not start, and says what to do', async () => {
    const home = await temporaryHome();
    const { code, stderr } = await runKmi(['proxy', '--foreground'], { env: home.env, cwd: home.root });
    expect(code).toBe(1);
    expect(stderr).toContain(`There are no keys in ${home.authsDir}`);
    expect(stderr).toContain('kmi demo');
  });

  it('--simulate-without-keys serves a simulated upstream and says so', async () => {
    const home = await temporaryHome();
    const kmi = await startKmi(['proxy', '--foreground', '--simulate-without-keys'], { env: home.env, cwd: home.root });
    const [, url] = await kmi.waitForOutput(/serves (\S+)/);
    await kmi.waitForOutput(/Simulated upstream[\s\S]*kmi init/);
    const texts: string[] = [];
    for (let n = 0; n < 3; n++) {
      const answer = await send(`${url}/chat/completions`, { body: chatBody() });
      expect(answer.status).toBe(200);
      texts.push(JSON.parse(answer.text).choices[0].message.content);
    }
    for (const [n, name] of ['ada', 'ben', 'cleo'].entries()) expect(texts[n]).toContain(name);
    expect(await kmi.stop()).toEqual({ code: 0, signal: null });
    // Nothing of the simulation is kept in the person's own folder.
    expect(await readdir(home.stateDir).catch(() => [])).not.toContain('state.json');
  });
});
