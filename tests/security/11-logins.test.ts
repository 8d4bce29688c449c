import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { confirm, kimiCodeLogin, loginHome, loginSimulator } from '../cli/login-home.ts';
import { eventually } from '../support/eventually.ts';
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
