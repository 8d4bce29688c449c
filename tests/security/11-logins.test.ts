import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { confirm, kimiCodeLogin, loginHome, loginSimulator } from '../cli/login-home.ts';
import { eventually } from '../support/eventually.ts';
import { runKmi, startKmi } from '../support/spawn.ts';
import { readEverything } from './read-everything.ts';

/** Commands that show or ask something about logins. */
const COMMANDS: readonly (readonly string[])[] = [
  ['status', '--all'],
  ['status', '--json'],
  ['keys', 'list'],
  ['keys', 'list', '--json'],
  ['keys', 'test', '--json'],
  ['keys', 'rename', 'ada', 'work'],
  ['keys', 'disable', 'work'],
  ['keys', 'enable', 'work'],
  ['health', '--json'],
  ['doctor'],
  ['doctor', '--recheck-keys', '--json'],
  ['rotate', '--json', '--write-config'],
  ['current', '--json'],
  ['why', 'last'],
  ['usage'],
  ['config', '--all'],
  ['logs', '--lines', '500'],
  ['env'],
];

const CHAT = { method: 'POST', body: JSON.stringify({ model: 'k3', messages: [{ role: 'user', content: 'hi' }] }) };

it('no token that was ever issued stands in an output, another file, an argument or an environment', async () => {
  const simulator = await loginSimulator(['ada', 'ben'], { oauth: { intervalS: 1, accessLifetimeS: 4 } });
  const { oauth } = simulator;
  const home = await loginHome(simulator, { KMI_DRY_RUN: '0', KMI_DEBUG: '1', KMI_USAGE_CACHE_SECONDS: '0' });
  const said: { readonly by: string; readonly text: string }[] = [];
  const hear = (by: string, { stdout, stderr }: { stdout: string; stderr: string }) => said.push({ by, text: stdout + stderr });
  const inspect = async (by: string, pid: number | undefined) => {
    if (process.platform !== 'linux') return;
    for (const name of ['cmdline', 'environ'])
      said.push({ by: `${by} ${name}`, text: await readFile(`/proc/${pid}/${name}`, 'latin1') });
  };

  const login = await home.start(['login', '--json']);
  await login.waitForOutput(/user_code/);
  await inspect('kmi login', login.child.pid);
  await confirm(simulator, 'ada');
  await login.ended;
  hear('kmi login', { stdout: login.stdout(), stderr: login.stderr() });
  const slot = await kimiCodeLogin(home, simulator, 'ben', { endsIn: -1 });
  hear('kmi login --existing', await home.kmi(['login', '--existing']));

  const proxy = await home.start(['proxy', '--foreground']);
  const [, url] = await proxy.waitForOutput(/serves (http\S+)/);
  const chat = async () =>
    said.push({ by: 'the proxy to its client', text: await (await fetch(`${url}/chat/completions`, CHAT)).text() });
  const tokens = async () => Object.values(await home.logins()).find(({ kind }) => kind === 'own')?.tokens;
  // The upstream and the authorisation server repeat what they were given.
  for (const [status, times] of [
    [500, 1],
    [403, 1],
    [401, 2],
  ] as const) {
    const text = `token ${(await tokens())?.access_token} of ${(await tokens())?.refresh_token} is not to my liking`;
    simulator.account('ada').respondWith({ status, chunks: [JSON.stringify({ error: { message: text } })] }, { times });
    await chat();
  }
  const renewals = oauth.renewals();
  const refused = { error: 'invalid_request', error_description: `refresh token ${(await tokens())?.refresh_token} is odd` };
  oauth.fail({ status: 400, body: JSON.stringify(refused) }, { on: ['refresh'], times: 2 });
  oauth.endAccess('ada');
  await chat();
  await inspect('the proxy', proxy.child.pid);
  await eventually(async () => {
    await chat();
    return oauth.renewals() >= renewals + 3 ? true : null;
  }, 40_000);
  for (const args of COMMANDS) {
    const finished = await home.kmi(args);
    expect([args, finished.code === 2 ? finished.stderr : 'not wrong usage']).toEqual([args, 'not wrong usage']);
    hear(`kmi ${args.join(' ')}`, finished);
  }
  oauth.revoke('ada');
  await chat();
  hear('kmi status', await home.kmi(['status']));
  hear('kmi logout', await home.kmi(['logout', 'work', '-y']));
  await proxy.stop();
  hear('kmi proxy', { stdout: proxy.stdout(), stderr: proxy.stderr() });

  // The signature alone would do for a search; a token's middle tells a part of it.
  const { issued } = oauth;
  const deviceCodes = oauth.received.flatMap(({ form }) => form.device_code ?? []);
  const secrets = [...issued.flatMap((token) => [token, token.slice(-60), token.slice(-44, -8)]), ...deviceCodes];
  expect(issued.length).toBeGreaterThanOrEqual(10);
  expect(deviceCodes.length).toBeGreaterThan(0);
  const leaksIn = (text: string) => secrets.filter((secret) => text.includes(secret)).length;
  // The search itself finds what it looks for.
  expect(leaksIn(`x ${issued[3]} x`)).toBeGreaterThan(0);
  expect(said.filter(({ text }) => leaksIn(text) > 0).map(({ by }) => by)).toEqual([]);
  const homes = [join(home.stateDir, 'logins'), dirname(slot.file)];
  const files = (await readEverything(home.root)).filter(({ path }) => !homes.includes(dirname(path)));
  expect(files.map(({ path }) => path)).toEqual(expect.arrayContaining([join(home.stateDir, 'state.json')]));
  expect(files.filter(({ text }) => leaksIn(text) > 0).map(({ path }) => path)).toEqual([]);
  // Of the logins, only the file of one that is still there holds tokens.
  const left = (await readEverything(homes[0] as string)).filter(({ text }) => leaksIn(text) > 0);
  expect(left.map(({ path }) => path)).toEqual([]);
}, 120_000);

it('a file of a login that is not as kmi writes it is no login, and nothing of it is shown', async () => {
  const simulator = await loginSimulator(['ada']);
  const home = await loginHome(simulator);
  await home.logIn('ada');
  const { ada } = await home.logins();
  const file = join(home.stateDir, 'logins', `${ada?.id}.json`);
  const text = await readFile(file, 'utf8');
  for (const changed of [
    text.replace('"base_url": "http', '"base_url": "ftp'),
    text.replace(/"oauth_host": "[^"]*"/, '"oauth_host": "http://example.com"'),
    text.replace('"label": "ada"', '"label": "a\\u001b[31m"'),
    '[]',
    '',
  ]) {
    await writeFile(file, changed);
    const { stdout } = await home.kmi(['keys', 'list', '--json']);
    const { keys, skipped_auth_files } = JSON.parse(stdout);
    expect(keys).toEqual([]);
    expect(skipped_auth_files).toMatchObject([{ file, reason: 'malformed' }]);
    expect(JSON.stringify(skipped_auth_files)).not.toContain(ada?.tokens?.access_token ?? 'no token');
  }
});

describe('a `.env` that merely lies in a folder', () => {
  const KEY = 'sk-kimi-of-the-project-0123456789';

  async function project(simulator: Simulator, settings: string) {
    const home = await loginHome(simulator);
    const folder = join(home.root, 'project');
    await mkdir(join(folder, '_auths'), { recursive: true });
    await writeFile(join(folder, '_auths', 'b.env'), `KMI_API_KEY=${KEY}\n`, { mode: 0o600 });
    await writeFile(join(folder, '.env'), settings);
    const { KMI_UPSTREAM_BASE_URL: _, KMI_AUTHS_DIR: __, ...env } = home.env;
    const kmi = (args: readonly string[], more = {}) => runKmi(args, { env: { ...env, ...more }, cwd: folder });
    return { home, kmi, folder, env };
  }
  const astray = (host: string) =>
    new RegExp(`^kmi: The env file \\S+/project/\\.env would send the tokens of a login to ${host}\\.`);

  it('sends the tokens of a login nowhere, whatever keys the folder has', async () => {
    const simulator = await loginSimulator(['ada']);
    for (const [url, host] of [
      ['https://gateway.example/v1', 'gateway\\.example'],
      [simulator.baseUrl, '127\\.0\\.0\\.1:\\d+'],
      ['https://evil.kimi.com/v1', 'evil\\.kimi\\.com'],
    ] as const) {
      const { kmi } = await project(simulator, `KMI_UPSTREAM_BASE_URL=${url}\n`);
      const { code, stderr } = await kmi(['login', '--no-browser']);
      expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(astray(host)) });
      expect(simulator.oauth.received).toEqual([]);
    }
  });

  it('nor does the proxy that was started there', async () => {
    const simulator = await loginSimulator(['ada']);
    const stranger = await loginSimulator(['ada']);
    const { home, env, folder } = await project(simulator, `KMI_UPSTREAM_BASE_URL=${stranger.baseUrl}\n`);
    const proxy = await startKmi(['proxy', '--foreground'], { env: { ...env, KMI_DRY_RUN: '0' }, cwd: folder });
    await proxy.waitForOutput(/serves http/);
    // Elsewhere the keys in question are those of the running proxy.
    const login = await startKmi(['login', '--no-browser'], {
      env: { ...env, KMI_UPSTREAM_BASE_URL: simulator.baseUrl },
      cwd: home.root,
    });
    await confirm(simulator, 'ada');
    expect(await login.ended).toMatchObject({ code: 0 });
    expect(await home.logins()).toMatchObject({ ada: { base_url: simulator.baseUrl } });
    await proxy.stop();
    const senders = new Set(stranger.received.map(({ headers }) => headers.authorization));
    expect([...senders].filter((sender) => sender !== `Bearer ${KEY}`)).toEqual([]);
  });

  it('is believed when somebody named it, and so is the environment', async () => {
    const simulator = await loginSimulator(['ada']);
    const { kmi, folder, home, env } = await project(simulator, `KMI_UPSTREAM_BASE_URL=${simulator.baseUrl}\n`);
    for (const more of [{ KMI_ENV_PATH: join(folder, '.env') }, { KMI_UPSTREAM_BASE_URL: simulator.baseUrl }]) {
      const login = await startKmi(['login', '--no-browser'], { env: { ...env, ...more }, cwd: folder });
      await confirm(simulator, 'ada');
      expect(await login.ended).toMatchObject({ code: 0 });
      expect(await home.logins()).toMatchObject({ ada: { base_url: simulator.baseUrl } });
    }
    expect(await kmi(['keys', 'list'])).toMatchObject({ code: 0 });
  });
});

it.each([
  ['API', { KMI_UPSTREAM_ALLOWLIST: 'auth.example' }],
  ['authorisation server', { KMI_UPSTREAM_ALLOWLIST: '127.0.0.1', KMI_OAUTH_HOST: 'https://auth.example' }],
])('a login of Kimi Code is not used when the allowlist does not name its %s', async (what, settings) => {
  const simulator = await loginSimulator(['ada']);
  const home = await loginHome(simulator, { KMI_OAUTH_HOST_OVERRIDES_SLOTS: '1' });
  await kimiCodeLogin(home, simulator, 'ada', { endsIn: -1 });
  const { KMI_UPSTREAM_BASE_URL } = what === 'API' ? { KMI_UPSTREAM_BASE_URL: 'https://auth.example/v1' } : home.env;
  const overriding = {
    ...settings,
    KMI_UPSTREAM_BASE_URL: KMI_UPSTREAM_BASE_URL ?? '',
    KMI_OAUTH_HOST_OVERRIDES_SLOTS: what === 'API' ? '0' : '1',
  };
  const { code, stderr } = await home.kmi(['login', '--existing'], overriding);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(`The ${what} of this login is `) });
  expect(await home.logins()).toEqual({});
  expect(simulator.oauth.received).toEqual([]);
});

it('the token of a login goes to no host that the allowlist does not name', async () => {
  const simulator = await loginSimulator(['ada']);
  const home = await loginHome(simulator, { KMI_DRY_RUN: '0' });
  await home.logIn('ada');
  const asked = simulator.received.length;
  const settings = { KMI_UPSTREAM_BASE_URL: 'https://api.kimi.com/coding/v1', KMI_UPSTREAM_ALLOWLIST: 'api.kimi.com' };
  const { stdout } = await home.kmi(['keys', 'list', '--json'], settings);
  expect(JSON.parse(stdout)).toMatchObject({
    keys: [],
    skipped_auth_files: [{ reason: 'bad_url', detail: 'Its base URL names a host that KMI_UPSTREAM_ALLOWLIST does not list.' }],
  });
  expect(await home.kmi(['keys', 'test'], settings)).toMatchObject({ code: 1, stdout: '' });
  expect(simulator.received.length).toBe(asked);
});
