import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type AccountSpec, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { cleanUp } from '../support/cleanup.ts';
import { type HomeWithPort, homeWithPort, type TemporaryHome, temporaryHome } from '../support/home.ts';
import { runKmi, startKmi } from '../support/spawn.ts';

type Run = (args: string[], env?: Record<string, string>) => ReturnType<typeof runKmi>;

async function simulated(
  ...accounts: Omit<AccountSpec, 'keys'>[]
): Promise<{ home: HomeWithPort; simulator: Simulator; run: Run }> {
  const home = await homeWithPort();
  const simulator = await startSimulator({ accounts: accounts.map((spec) => ({ ...spec, keys: [keyOf(spec.name)] })) });
  cleanUp(() => simulator.close());
  for (const { name } of accounts) await home.addKey({ label: name, key: keyOf(name), baseUrl: simulator.baseUrl });
  const run: Run = (args, env = {}) => runKmi(args, { env: { ...home.env, KMI_DRY_RUN: '0', ...env }, cwd: home.root });
  return { home, simulator, run };
}

const keyOf = (name: string) => `sk-${name}-secret-value`;
const left = (share: number) => ({ fiveHour: { limit: 100, used: 100 - 100 * share } });

async function stateOf(home: TemporaryHome): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(home.stateDir, 'state.json'), 'utf8'));
}

async function logOf(home: TemporaryHome): Promise<Record<string, unknown>[]> {
  const text = await readFile(join(home.stateDir, 'logs', 'kmi.log'), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('the key with the most quota becomes the active one, with the reason and the dashboard', async () => {
  const { run, home } = await simulated({ name: 'ada', quota: left(0.4) }, { name: 'ben', quota: left(0.9) });
  const { stdout, stderr, code } = await run(['rotate']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^Live: [\s\S]*Active key: ada → ben\nIt has more quota left: 90 %; ada has 40 %\./);
  expect(stdout).toMatch(/> ben +ready +█+░+ +90 %/);
  expect(stdout).not.toContain('secret-value');
  expect(await stateOf(home)).toMatchObject({ active_key: 'ben', active_index: 1 });
  const again = await run(['--rotate']);
  expect(again.stdout).toContain('Active key stays ben.');
});

test('among equals the choice moves on, unless KMI_ROTATE_ON_TIE=0 keeps it', async () => {
  const { run } = await simulated({ name: 'ada' }, { name: 'ben' }, { name: 'cleo' });
  const dry = { KMI_DRY_RUN: '1' };
  expect((await run(['rotate'], dry)).stdout).toMatch(/^Dry-run: [\s\S]*ada → ben\n3 keys are equally good/);
  expect((await run(['rotate'], dry)).stdout).toContain('ben → cleo');
  expect((await run(['rotate'], dry)).stdout).toContain('cleo → ada');
  expect((await run(['rotate'], { ...dry, KMI_ROTATE_ON_TIE: '0' })).stdout).toContain('Active key stays ada.');
});

test('with no eligible key the active one stays, the exit code is 1 and the remedy is on standard error', async () => {
  const { run, home } = await simulated({ name: 'ada', quota: left(0) }, { name: 'ben' });
  await home.addKey({ label: 'ben', key: keyOf('ben'), disabled: true });
  const { stdout, stderr, code } = await run(['rotate']);
  expect(code).toBe(1);
  expect(stdout).toMatch(/No key can serve now[\s\S]*ada +empty[\s\S]*ben +disabled/);
  expect(stderr).toMatch(/^kmi: .*Add a key to the auths folder/);
  const none = await runKmi(['rotate'], { env: (await temporaryHome()).env });
  expect(none).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('There are no keys') });
});

test('the summary is Russian with KMI_LOCALE=ru', async () => {
  const { run } = await simulated({ name: 'ada', quota: left(0.4) }, { name: 'ben', quota: left(0.9) });
  const { stdout, code } = await run(['rotate'], { KMI_LOCALE: 'ru' });
  expect(code).toBe(0);
  expect(stdout).toMatch(/Активный ключ: ada → ben\nУ него осталось больше квоты: 90 % против 40 % у ada\./);
});

test('beside a running proxy the next requests go out with the chosen key', async () => {
  const { run, home, simulator } = await simulated({ name: 'ada', quota: left(0.4) }, { name: 'ben', quota: left(0.9) });
  const proxy = await startKmi(['proxy', '--foreground'], { env: { ...home.env, KMI_DRY_RUN: '0' }, cwd: home.root });
  const [, url] = await proxy.waitForOutput(/serves (\S+)/);
  const ask = async () => {
    const before = simulator.received.length;
    await (await fetch(`${url}/models`)).arrayBuffer();
    return simulator.received.slice(before).find(({ path }) => path.endsWith('/models'))?.account;
  };
  expect(await ask()).toBe('ada');
  expect((await run(['rotate'])).code).toBe(0);
  await expect.poll(ask, { timeout: 10_000, interval: 50 }).toBe('ben');
  await proxy.stop();
});

const CONFIG = (apiKey: string, baseUrl: string) =>
  `# mine\ntheme = "dark"\n\n[providers."managed:kimi-code"]\napi_key = "${apiKey}" # do not lose this\nbase_url = "${baseUrl}"\n`;

async function writeClientConfig(home: TemporaryHome, text: string): Promise<string> {
  await mkdir(join(home.root, '.kimi'), { recursive: true });
  const path = join(home.root, '.kimi', 'config.toml');
  await writeFile(path, text);
  return path;
}

test("asked to, live, the key is written into the Kimi CLI's config with a backup and an audit event", async () => {
  const { run, home, simulator } = await simulated({ name: 'ada', quota: left(0.4) }, { name: 'ben', quota: left(0.9) });
  const before = CONFIG('sk-my-own', simulator.baseUrl);
  const path = await writeClientConfig(home, before);
  const { stdout, code } = await run(['rotate', '--write-config'], { KMI_AUDIT_ACTOR: 'kim', COLUMNS: '200' });
  expect(code).toBe(0);
  expect(stdout).toContain(`Wrote api_key into the config of kimi-cli: ${path}`);
  expect(stdout).toContain(`${path}.kmi-backup`);
  expect(await readFile(path, 'utf8')).toBe(CONFIG(keyOf('ben'), simulator.baseUrl));
  expect(await readFile(`${path}.kmi-backup`, 'utf8')).toBe(before);
  const written = (await logOf(home)).filter(({ event }) => event === 'config_written');
  expect(written).toMatchObject([{ actor: 'kim', key_label: 'ben', client: 'kimi-cli', file: path, changed: ['api_key'] }]);
  expect(JSON.stringify(written)).not.toContain('secret-value');
});

test('KMI_WRITE_CONFIG=1 asks for it each time', async () => {
  const { run, home, simulator } = await simulated({ name: 'ada' });
  const path = await writeClientConfig(home, CONFIG('sk-my-own', simulator.baseUrl));
  expect((await run(['rotate'], { KMI_WRITE_CONFIG: '1' })).stdout).toContain('Wrote api_key');
  expect(await readFile(path, 'utf8')).toBe(CONFIG(keyOf('ada'), simulator.baseUrl));
});

test('`kmi rotate --json` tells the choice and every key as data', async () => {
  const { run } = await simulated({ name: 'ada', quota: left(0.4) }, { name: 'ben', quota: left(0.9) });
  const { code, stdout, stderr } = await run(['rotate', '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout)).toMatchObject({
    mode: 'live',
    active_key: 'ben',
    previous_key: 'ada',
    reason: 'more_quota',
    auto_rotate: false,
    written: [],
    keys: [{ label: 'ada' }, { label: 'ben', active: true }],
  });
  expect(stdout).not.toContain(keyOf('ada'));
});

test.each([
  ['without being asked', {}, []],
  ['in dry-run', { KMI_DRY_RUN: '1' }, ['--write-config']],
  ['with KMI_WRITE_CONFIG=0', { KMI_WRITE_CONFIG: '0' }, []],
])("%s the Kimi CLI's config is not touched", async (_, env, flags) => {
  const { run, home, simulator } = await simulated({ name: 'ada' });
  const before = CONFIG('sk-my-own', simulator.baseUrl);
  const path = await writeClientConfig(home, before);
  expect((await run(['rotate', ...flags], env)).code).toBe(0);
  expect(await readFile(path, 'utf8')).toBe(before);
});

test('a config that goes through the proxy, or cannot be parsed, is left alone and told', async () => {
  const { run, home } = await simulated({ name: 'ada' });
  const path = await writeClientConfig(home, CONFIG('proxy', home.proxyUrl));
  expect((await run(['rotate', '--write-config'])).stdout).toContain('kimi-cli goes through the proxy');
  await writeFile(path, '[providers\n');
  const { stdout, code } = await run(['rotate', '--write-config']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/config of kimi-cli was left alone/);
  expect(await readFile(path, 'utf8')).toBe('[providers\n');
});

test('rotate auto is refused with the reason unless the policy allows it', async () => {
  const { run, home } = await simulated({ name: 'ada' });
  const refused = await run(['rotate', 'auto']);
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toMatch(/KMI_AUTO_ROTATE_ALLOWED is 0\.\n.*`kmi config set KMI_AUTO_ROTATE_ALLOWED 1`/);
  await expect(stateOf(home)).rejects.toThrow('ENOENT');
});

test('rotate auto and rotate off switch round-robin, with audit events', async () => {
  const { run, home } = await simulated({ name: 'ada' }, { name: 'ben' });
  const allowed = { KMI_AUTO_ROTATE_ALLOWED: '1', KMI_AUTO_ROTATE_E2E: '0', USER: 'sam' };
  const on = await run(['rotate', 'auto'], allowed);
  expect(on).toMatchObject({ code: 0, stderr: '' });
  expect(on.stdout).toMatch(/^Live: [\s\S]*Auto-rotation is on \(round-robin\)[\s\S]*skipped the end-to-end check/);
  expect(await stateOf(home)).toMatchObject({ auto_rotate: true });
  expect((await run(['rotate'], allowed)).stdout).toContain('Round-robin is on');
  const off = await run(['rotate', 'off'], { ...allowed, KMI_AUDIT_ACTOR: 'kim' });
  expect(off).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('Auto-rotation is off.') });
  expect(await stateOf(home)).toMatchObject({ auto_rotate: false });
  expect((await run(['rotate', 'off'])).stdout).toContain('off already');
  const events = (await logOf(home)).map(({ event, actor }) => [event, actor]);
  expect(events.slice(0, 2)).toEqual([
    ['auto_rotate_enabled', 'sam'],
    ['auto_rotate_disabled', 'kim'],
  ]);
});

test('a strategy is chosen with rotate auto, holds, and is told; another word is refused and changes nothing', async () => {
  const { run, home } = await simulated({ name: 'ada' }, { name: 'ben' });
  const allowed = { KMI_AUTO_ROTATE_ALLOWED: '1', KMI_AUTO_ROTATE_E2E: '0', USER: 'sam' };
  const refused = await run(['rotate', 'auto', '--strategy', 'random'], allowed);
  expect(refused).toMatchObject({ code: 2, stdout: '' });
  expect(refused.stderr).toContain('--strategy random: takes round-robin, sticky, quota, weighted, setting.');
  await expect(stateOf(home)).rejects.toThrow('ENOENT');

  const sticky = await run(['rotate', 'auto', '--strategy', 'sticky'], allowed);
  expect(sticky).toMatchObject({ code: 0, stderr: '' });
  expect(sticky.stdout).toMatch(/Auto-rotation is on \(sticky\)[\s\S]*A session stays with its account/);
  expect(await stateOf(home)).toMatchObject({ auto_rotate: true, rotation_strategy: 'sticky' });
  expect((await run(['rotate'], allowed)).stdout).toContain('Auto-rotation is on (sticky): sessions stay with their accounts');
  expect((await run(['rotate', 'off'], allowed)).code).toBe(0);
  expect(await stateOf(home)).toMatchObject({ auto_rotate: false, rotation_strategy: 'sticky' });

  const again = await run(['rotate', 'auto'], allowed);
  expect(again.stdout).toContain('Auto-rotation is on (sticky)');
  expect((await run(['rotate', 'auto', '--strategy=round-robin'], allowed)).stdout).toContain('Each request takes the next key');
  expect(await stateOf(home)).toMatchObject({ auto_rotate: true, rotation_strategy: 'round-robin' });
  const given = await run(['rotate', 'auto', '--strategy', 'setting'], { ...allowed, KMI_ROTATE_STRATEGY: 'quota' });
  expect(given.stdout).toContain('Auto-rotation is on (quota)');
  expect(await stateOf(home)).not.toHaveProperty('rotation_strategy');
  const enabled = (await logOf(home)).filter(({ event }) => event === 'auto_rotate_enabled');
  expect(enabled.map(({ strategy, actor }) => [strategy, actor])).toEqual([
    ['sticky', 'sam'],
    ['sticky', 'sam'],
    ['round-robin', 'sam'],
    ['quota', 'sam'],
  ]);
});

test('a strategy is not taken where auto-rotation is not allowed', async () => {
  const { run, home } = await simulated({ name: 'ada' });
  expect(await run(['rotate', 'auto', '--strategy', 'quota'])).toMatchObject({ code: 1, stdout: '' });
  await expect(stateOf(home)).rejects.toThrow('ENOENT');
});

test('rotate auto warns when all keys are of one account', async () => {
  const { run, home } = await simulated({ name: 'ada' }, { name: 'ben' });
  const account = { account_id: 'a1b2c3d4', account_checked_at: '2026-01-02T03:04:05Z' };
  await mkdir(home.stateDir);
  await writeFile(join(home.stateDir, 'state.json'), JSON.stringify({ keys: { ada: account, ben: account } }));
  const { stdout } = await run(['rotate', 'auto'], { KMI_AUTO_ROTATE_ALLOWED: '1', KMI_AUTO_ROTATE_E2E: '0' });
  expect(stdout).toContain('All keys belong to one account');
});

test.each(['--auto_rotate', '--auto-rotate'])('%s is rotate auto, which warns when there is only one key', async (flag) => {
  const { run } = await simulated({ name: 'ada' });
  const { stdout, code } = await run([flag], { KMI_AUTO_ROTATE_ALLOWED: '1', KMI_AUTO_ROTATE_E2E: '0' });
  expect(code).toBe(0);
  expect(stdout).toContain('Only one key is enabled');
});

test('rotate auto runs the end-to-end check, whose exit code is its own', async () => {
  const { run, home, simulator } = await simulated({ name: 'ada' }, { name: 'ben' });
  const good = await run(['rotate', 'auto'], { KMI_AUTO_ROTATE_ALLOWED: '1' });
  expect(good.code).toBe(0);
  expect(good.stdout).toContain('50 of 50 requests were answered.');
  await simulator.close();
  const bad = await run(['rotate', 'auto'], { KMI_AUTO_ROTATE_ALLOWED: '1' });
  expect(bad.code).toBe(1);
  expect(await stateOf(home)).toMatchObject({ auto_rotate: true });
}, 60_000);

test('without keys there is nothing to rotate', async () => {
  const home = await temporaryHome();
  const { code, stderr } = await runKmi(['rotate', 'auto'], { env: { ...home.env, KMI_AUTO_ROTATE_ALLOWED: '1' } });
  expect(code).toBe(1);
  expect(stderr).toContain('There are no keys');
});

test.skipIf(process.platform === 'win32')('a state that cannot be written is an error, not a claim of success', async () => {
  const { run, home } = await simulated({ name: 'ada' }, { name: 'ben' });
  await writeFile(join(home.root, 'file'), '');
  const stateDir = join(home.root, 'file', 'state');
  const { stdout, stderr, code } = await run(['rotate', 'off'], { KMI_STATE_DIR: stateDir });
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/state file .* cannot be written \(ENOTDIR\)\.\n.*KMI_STATE_DIR/);
});
