import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { KEY_STATUSES } from '../../src/core/keys/key-status.ts';
import { type AccountSpec, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { withFileLock } from '../../src/state/file-lock.ts';
import { UsageLedger } from '../../src/usage/usage-ledger.ts';
import { cleanUp } from '../support/cleanup.ts';
import { freePort } from '../support/free-port.ts';
import { type HomeWithPort, homeWithPort, type TemporaryHome, temporaryHome } from '../support/home.ts';
import { runKmi } from '../support/spawn.ts';

const Time = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
const Percent = z.number().min(0).max(100);
const Count = z.int().nonnegative();

const KeyHealth = z.strictObject({
  label: z.string(),
  key_hash: z.string().regex(/^[0-9a-f]{12}$/),
  email: z.string().nullable(),
  source: z.string(),
  disabled: z.boolean(),
  active: z.boolean(),
  status: z.enum(KEY_STATUSES),
  remaining_percent: Percent.nullable(),
  plan: z.string().nullable(),
  windows: z.array(
    z.strictObject({
      label: z.string(),
      remaining_percent: Percent.nullable(),
      used: z.number().nullable(),
      limit: z.number().nullable(),
      resets_at: Time.nullable(),
      reset_hint: z.string().nullable(),
    }),
  ),
  wallet: z.strictObject({ cents: Count }).nullable(),
  cooldown: z.strictObject({ until: Time, reason: z.string() }).nullable(),
  block: z.strictObject({ until: Time.nullable(), reason: z.string() }).nullable(),
  counters: z.strictObject({
    requests: Count,
    error_401: Count,
    error_403: Count,
    error_429: Count,
    error_5xx: Count,
    last_used: Time.nullable(),
  }),
  error: z.string().nullable(),
});
const Mode = z.enum(['dry-run', 'live']);
const Skipped = z.array(z.strictObject({ file: z.string(), reason: z.string(), detail: z.string() }));
const Health = z.strictObject({
  mode: Mode,
  accounts: z.strictObject({
    total: Count,
    unknown_keys: Count,
    shared: z.array(z.strictObject({ account: z.string(), keys: z.array(z.string()) })),
  }),
  keys: z.array(
    z.strictObject({
      ...KeyHealth.shape,
      account: z.string().nullable(),
      same_account_as: z.array(z.string()),
      tokens_today: z.strictObject({
        requests: Count,
        input_tokens: Count,
        cached_tokens: Count,
        cached_share: z.number().nullable(),
        output_tokens: Count,
        reasoning_tokens: Count,
      }),
    }),
  ),
  skipped_auth_files: Skipped,
});

const File = { client: z.string(), path: z.string() };
const Current = z.strictObject({
  mode: Mode,
  accounts: z.array(
    z.discriminatedUnion('kind', [
      z.strictObject({
        ...File,
        kind: z.literal('account'),
        provider: z.string(),
        has_oauth: z.boolean(),
        pooled_as: z.string().nullable(),
        ...KeyHealth.omit({ source: true, active: true, disabled: true }).shape,
      }),
      z.strictObject({ ...File, kind: z.literal('through_proxy') }),
      z.strictObject({ ...File, kind: z.literal('unusable'), problem: z.string() }),
    ]),
  ),
});

const HOUR = 3_600_000;

async function simulated(
  ...accounts: Omit<AccountSpec, 'keys'>[]
): Promise<{ home: HomeWithPort; simulator: Simulator; run: Run }> {
  const home = await homeWithPort();
  const simulator = await startSimulator({
    accounts: accounts.map((spec) => ({ ...spec, keys: [`sk-${spec.name}-secret-value`] })),
  });
  cleanUp(() => simulator.close());
  for (const { name } of accounts) {
    await home.addKey({ label: name, key: `sk-${name}-secret-value`, baseUrl: simulator.baseUrl, email: `${name}@example.com` });
  }
  const run: Run = (args, env = {}) => runKmi(args, { env: { ...home.env, KMI_DRY_RUN: '0', ...env }, cwd: home.root });
  return { home, simulator, run };
}

type Run = (args: string[], env?: Record<string, string>) => ReturnType<typeof runKmi>;

test('--json has each key with its windows, as its own upstream states them', async () => {
  const resetsAt = Date.now() + 2 * HOUR;
  const { run, home } = await simulated(
    {
      name: 'ada',
      quota: { fiveHour: { limit: 100, used: 38, resetsAt }, weekly: { limit: 1000, used: 100 } },
      wallet: { cents: 1234 },
    },
    { name: 'ben', quota: { fiveHour: { limit: 100, used: 100 } } },
  );
  const { stdout, code, stderr } = await run(['health', '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const { mode, keys } = Health.parse(JSON.parse(stdout));
  expect(mode).toBe('live');
  expect(keys[0]).toMatchObject({
    label: 'ada',
    email: 'ada@example.com',
    active: true,
    status: 'healthy',
    remaining_percent: 62,
    wallet: { cents: 1234 },
    cooldown: null,
    block: null,
    error: null,
  });
  expect(keys[0]?.windows.map(({ label, remaining_percent }) => [label, remaining_percent])).toEqual([
    ['5h limit', 62],
    ['7d limit', 90],
  ]);
  expect(Date.parse(keys[0]?.windows[0]?.resets_at ?? '')).toBeCloseTo(resetsAt, -4);
  expect(keys[1]).toMatchObject({ label: 'ben', active: false, remaining_percent: 0 });
  expect(stdout).not.toContain('secret-value');
  const state = JSON.parse(await readFile(join(home.stateDir, 'state.json'), 'utf8'));
  expect(state.last_health_refresh).toMatch(/^\d{4}-/);
});

test('the view shows bars, resets in words, and why a key cannot be asked', async () => {
  const { run, simulator, home } = await simulated(
    { name: 'ada', quota: { fiveHour: { limit: 100, used: 38, resetsAt: Date.now() + 2 * HOUR + 30_000 } } },
    { name: 'ben' },
  );
  simulator.account('ben').setKeys([]);
  const { stdout, code } = await run(['health'], { KMI_TIMEZONE: 'UTC', KMI_SHOW_SOURCE: '1' });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^Live: /);
  expect(stdout).toMatch(/> ada +ready +ada@example\.com/);
  expect(stdout).toMatch(/5h limit +█+░+ +62 % left +resets in 2 h 1 min \(.*\d\d:\d\d\)/);
  expect(stdout).toMatch(/ben[\s\S]*asking failed: HTTP 401: The API key appears to be invalid/);
  expect(stdout).toContain(join(home.authsDir, 'ada.env'));
  expect(stdout).not.toContain('secret-value');
});

test('keys of one account stand with each other, and each with its tokens of today', async () => {
  const { run, home } = await simulated({ name: 'ada' }, { name: 'ben' }, { name: 'cleo' });
  const at = { account_checked_at: '2026-01-02T03:04:05Z' };
  const keys = {
    ada: { account_id: 'a1b2c3d4', ...at },
    ben: { account_id: 'b2c3d4e5', ...at },
    cleo: { account_id: 'a1b2c3d4', ...at },
  };
  await mkdir(home.stateDir);
  await writeFile(join(home.stateDir, 'state.json'), JSON.stringify({ schema_version: 1, keys }));
  const ledger = new UsageLedger({
    stateDir: home.stateDir,
    zone: 'UTC',
    clock: Date.now,
    lock: withFileLock,
    log: { warn: (message) => expect.unreachable(message) },
  });
  const usage = { input: 12_345, cached: 12_000, output: 210, reasoning: 0 };
  const counted = { account: 'a1b2c3d4', model: 'k3', session: null, usage };
  const now = Date.now();
  ledger.record({ at: now, keyLabel: 'ada', ...counted });
  ledger.record({ at: now - 30 * HOUR, keyLabel: 'ben', ...counted });
  await ledger.close();
  const utc = { KMI_TIMEZONE: 'UTC' };
  const { stdout } = await run(['health', '--plain'], utc);
  expect(stdout).toMatch(/^3 keys, 2 accounts\.\nKeys of one account: ada, cleo\. A second key/m);
  expect(stdout).toMatch(
    /^> ada [^>]*one account with cleo[\s\S]*today +12,345 tokens in \(97 % cached\), 210 out[\s\S]*^ {2}ben/m,
  );
  expect(stdout).toMatch(/^ {2}cleo .*\n {4}one account with ada/m);
  expect(stdout.match(/today/g)).toHaveLength(1);
  const json = Health.parse(JSON.parse((await run(['health', '--json'], utc)).stdout));
  expect(json.accounts).toEqual({ total: 2, unknown_keys: 0, shared: [{ account: 'a1b2c3d4', keys: ['ada', 'cleo'] }] });
  expect(
    json.keys.map(({ account, same_account_as, tokens_today }) => [account, same_account_as, tokens_today.input_tokens]),
  ).toEqual([
    ['a1b2c3d4', ['cleo'], 12_345],
    ['b2c3d4e5', [], 0],
    ['a1b2c3d4', ['ada'], 0],
  ]);
});

test('tokens that cannot be read are a warning, and the health is shown all the same', async () => {
  const { run, home } = await simulated({ name: 'ada' });
  await mkdir(home.stateDir);
  await writeFile(join(home.stateDir, 'usage'), 'a file in its place');
  const { stdout, stderr, code } = await run(['health']);
  expect(code).toBe(0);
  expect(stdout).toContain('ada');
  expect(stderr).toMatch(/^kmi: the tokens of today cannot be shown/);
});

test('--health and --all are the same command', async () => {
  const { run } = await simulated({ name: 'ada' });
  for (const flag of ['--health', '--all'])
    expect(await run([flag])).toMatchObject({ code: 0, stdout: expect.stringContaining('ada') });
  expect(await run(['--health', '--status'])).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringContaining('Only one mode'),
  });
});

test('in dry-run nobody is asked and everything is full', async () => {
  const { run, simulator } = await simulated({ name: 'ada', quota: { fiveHour: { limit: 10, used: 10 } } });
  const { stdout, code } = await run(['health'], { KMI_DRY_RUN: '1' });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^Dry-run: nothing is sent[\s\S]*100 %/);
  expect(simulator.received).toEqual([]);
});

test('an upstream that is down is told for each key, and is no crash', async () => {
  const home = await temporaryHome();
  await home.addKey({ label: 'ada', baseUrl: `http://127.0.0.1:${await freePort()}/v1` });
  const { stdout, code } = await runKmi(['health'], { env: { ...home.env, KMI_DRY_RUN: '0' }, cwd: home.root });
  expect(stdout).toContain('asking failed: 127.0.0.1 could not be reached: connection refused');
  expect(code).toBe(0);
});

test('without keys it says how to add one; with only empty ones the exit code is 1', async () => {
  const home = await temporaryHome();
  const none = await runKmi(['health'], { env: home.env, cwd: home.root });
  expect(none).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/There are no keys in .*\n.*kmi init/) });
  const json = await runKmi(['health', '--json'], { env: home.env, cwd: home.root });
  expect(Health.parse(JSON.parse(json.stdout)).keys).toEqual([]);
  expect(json.code).toBe(1);
  const { run } = await simulated({ name: 'ada', quota: { fiveHour: { limit: 10, used: 10 } } });
  expect(await run(['health'])).toMatchObject({ code: 1, stdout: expect.stringMatching(/ada +empty/) });
});

async function writeClientConfig(home: TemporaryHome, folder: string, apiKey: string, baseUrl: string): Promise<string> {
  await mkdir(join(home.root, folder), { recursive: true });
  const path = join(home.root, folder, 'config.toml');
  await writeFile(path, `[providers."managed:kimi-code"]\napi_key = "${apiKey}"\nbase_url = "${baseUrl}"\n`);
  return path;
}

test("--current asks only for the account in the Kimi CLI's own config", async () => {
  const { run, simulator, home } = await simulated(
    { name: 'ada' },
    { name: 'ben', quota: { fiveHour: { limit: 100, used: 25 } } },
  );
  const path = await writeClientConfig(home, '.kimi', 'sk-ben-secret-value', simulator.baseUrl);
  const human = await run(['--current']);
  expect(human).toMatchObject({ code: 0, stderr: '' });
  expect(human.stdout).toMatch(/kimi-cli\n +\S*config\.toml\n +The same key as ben\.[\s\S]*75 %/);
  expect(human.stdout).not.toContain('ada');
  expect(simulator.received.map(({ account }) => account)).toEqual(['ben']);
  const { stdout } = await run(['current', '--json']);
  expect(stdout).not.toContain('secret-value');
  expect(Current.parse(JSON.parse(stdout)).accounts).toEqual([
    expect.objectContaining({ client: 'kimi-cli', path, kind: 'account', pooled_as: 'ben', remaining_percent: 75, error: null }),
  ]);
});

test('--current tells a config that goes through the proxy, one it cannot use, and none at all apart', async () => {
  const { run, home } = await simulated({ name: 'ada' });
  const none = await run(['--current']);
  expect(none).toMatchObject({ code: 1, stdout: expect.stringContaining('No Kimi client has a config here.') });
  await writeClientConfig(home, '.kimi', 'proxy', home.proxyUrl);
  expect(await run(['--current'])).toMatchObject({ code: 0, stdout: expect.stringContaining('goes through this proxy') });
  await mkdir(join(home.root, '.kimi-code'));
  await writeFile(join(home.root, '.kimi-code', 'config.toml'), 'theme = "dark"\n');
  const { stdout } = await run(['current', '--json']);
  expect(Current.parse(JSON.parse(stdout)).accounts.map(({ client, kind }) => [client, kind])).toEqual([
    ['kimi-cli', 'through_proxy'],
    ['kimi-code', 'unusable'],
  ]);
});
