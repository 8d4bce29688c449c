import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { KEY_STATUSES } from '../../src/core/keys/key-status.ts';
import { cleanUp } from '../support/cleanup.ts';
import { homeWithPort, type TemporaryHome, temporaryHome } from '../support/home.ts';
import { runKmi, startKmi } from '../support/spawn.ts';

const Time = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
const Count = z.int().nonnegative();

/** docs/kmi-manager.md#status-as-json, with what kmi adds. */
const Status = z.strictObject({
  mode: z.enum(['dry-run', 'live']),
  proxy: z.strictObject({
    running: z.boolean(),
    host: z.string(),
    port: Count,
    url: z.url(),
    pids: z.array(Count),
    daemon_log: z.string(),
  }),
  upstream: z.url(),
  keys: z.strictObject({ total: Count, disabled: Count, blocked: Count, cooldown: Count, exhausted: Count }),
  active_key: z.string().nullable(),
  quota: z.array(
    z.strictObject({
      label: z.string(),
      key_hash: z.string().regex(/^[0-9a-f]{12}$/),
      status: z.enum(KEY_STATUSES),
      requests_today: Count,
      read_at: Time.nullable(),
      remaining_percent: z.number().min(0).max(100).nullable(),
      windows: z.array(
        z.strictObject({
          label: z.string(),
          remaining_percent: z.number().min(0).max(100).nullable(),
          used: z.number().nullable(),
          limit: z.number().nullable(),
          resets_at: Time.nullable(),
          reset_hint: z.string().nullable(),
        }),
      ),
    }),
  ),
  accounts: z.strictObject({
    total: Count,
    unknown_keys: Count,
    shared: z.array(z.strictObject({ account: z.string(), keys: z.array(z.string()) })),
  }),
  rotation: z.strictObject({
    active_index: Count,
    rotation_index: Count,
    auto_rotate: z.boolean(),
    strategy: z.enum(['round-robin', 'sticky', 'quota', 'weighted']),
    strategy_source: z.enum(['chosen', 'setting']),
    next: z.string().nullable(),
    next_without_session: z.string().nullable(),
    session_moves: Count,
    session_move_tokens: Count,
  }),
  policy: z.strictObject({ strict_usage_check: z.boolean(), fail_open_on_empty_cache: z.boolean() }),
  cache: z.strictObject({ usage_refresh_seconds: Count, blocklist_recheck_seconds: Count, blocklist_max: Count }),
  payment_block_seconds: Count,
  last_health_refresh: Time.nullable(),
  skipped_auth_files: z.array(z.strictObject({ file: z.string(), reason: z.string(), detail: z.string() })),
  not_used: z.array(z.string()),
});

const inTime = (ms: number) => `${new Date(Date.now() + ms).toISOString().slice(0, 19)}Z`;

async function writeState(home: TemporaryHome, state: Record<string, unknown>): Promise<void> {
  await mkdir(home.stateDir, { recursive: true });
  await writeFile(join(home.stateDir, 'state.json'), JSON.stringify({ schema_version: 1, ...state }));
}

const account = (id: string) => ({ account_id: id, account_checked_at: '2026-01-02T03:04:05Z' });

async function status(home: TemporaryHome, env: Record<string, string> = {}) {
  const run = await runKmi(['status', '--json'], { env: { ...home.env, ...env }, cwd: home.root });
  return { ...run, json: Status.parse(JSON.parse(run.stdout)) };
}

test('--json has the shape of the reference, and nothing else is on standard output', async () => {
  const home = await homeWithPort();
  for (const label of ['ada', 'ben', 'cleo', 'dan']) await home.addKey({ label, disabled: label === 'dan' });
  await writeFile(join(home.authsDir, 'broken.toml'), '[x\n');
  await writeState(home, {
    active_key: 'cleo',
    active_index: 2,
    rotation_index: 1,
    auto_rotate: true,
    rotation_strategy: 'sticky',
    last_health_refresh: '2026-01-02T03:04:05Z',
    keys: {
      ada: { exhausted_until: inTime(600_000) },
      ben: {
        blocked_until: inTime(600_000),
        blocked_reason: 'payment_required',
        exhausted_until: inTime(600_000),
        ...account('a1b2c3d4'),
      },
      cleo: account('a1b2c3d4'),
      dan: account('a1b2c3d4d5'),
    },
  });
  const { json, code, stderr } = await status(home);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(json).toEqual({
    mode: 'dry-run',
    proxy: {
      running: false,
      host: '127.0.0.1',
      port: home.port,
      url: home.proxyUrl,
      pids: [],
      daemon_log: join(home.stateDir, 'logs', 'proxy.out'),
    },
    upstream: 'https://api.kimi.com/coding/v1',
    keys: { total: 4, disabled: 1, blocked: 1, cooldown: 1, exhausted: 1 },
    accounts: { total: 3, unknown_keys: 1, shared: [{ account: 'a1b2c3d4', keys: ['ben', 'cleo'] }] },
    active_key: 'cleo',
    quota: ['ada cooldown', 'ben blocked', 'cleo ready', 'dan disabled'].map((each) => ({
      label: each.split(' ')[0],
      key_hash: expect.any(String),
      status: each.split(' ')[1],
      requests_today: 0,
      read_at: null,
      remaining_percent: null,
      windows: [],
    })),
    rotation: {
      active_index: 2,
      rotation_index: 1,
      auto_rotate: true,
      strategy: 'sticky',
      strategy_source: 'chosen',
      next: 'cleo',
      next_without_session: 'cleo',
      session_moves: 0,
      session_move_tokens: 0,
    },
    policy: { strict_usage_check: false, fail_open_on_empty_cache: true },
    cache: { usage_refresh_seconds: 600, blocklist_recheck_seconds: 3600, blocklist_max: 3 },
    payment_block_seconds: 3600,
    last_health_refresh: '2026-01-02T03:04:05Z',
    not_used: [],
    skipped_auth_files: [
      { file: join(home.authsDir, 'broken.toml'), reason: 'malformed', detail: expect.stringContaining('not valid TOML') },
    ],
  });
});

test('--json promises no chat a key where sessions decide, also without a proxy', async () => {
  const home = await temporaryHome();
  await home.addKey({ label: 'ada' });
  await writeState(home, { auto_rotate: true, rotation_strategy: 'quota' });
  const { json } = await status(home, { KMI_AUTO_ROTATE_ALLOWED: '1' });
  expect(json.rotation).toMatchObject({ strategy: 'quota', next: null, next_without_session: 'ada' });
});

test('without keys, and with no key that can serve, the exit code is 1', async () => {
  const home = await temporaryHome();
  expect(await status(home)).toMatchObject({ code: 1, json: { keys: { total: 0 }, active_key: null } });
  await rm(home.authsDir, { recursive: true });
  expect(await status(home)).toMatchObject({ code: 1 });
  await mkdir(home.authsDir);
  await home.addKey({ label: 'ada' });
  expect(await status(home)).toMatchObject({ code: 0 });
  await writeState(home, { keys: { ada: { error_401: 1 } } });
  expect(await status(home)).toMatchObject({ code: 1, json: { keys: { total: 1, blocked: 1 } } });
});

test('a running proxy is seen with its pid, and its end too', async () => {
  const home = await temporaryHome();
  await home.addKey({ label: 'ada' });
  const proxy = await startKmi(['proxy', '--foreground'], { env: home.env, cwd: home.root });
  await proxy.waitForOutput(/serves/);
  expect((await status(home)).json.proxy).toMatchObject({ running: true, pids: [proxy.child.pid] });
  const human = await runKmi(['status'], { env: home.env, cwd: home.root });
  expect(human.stdout).toMatch(/^Proxy {2}running at 127\.0\.0\.1:\d+, up \d+ s, dry-run, manual\n/);
  const all = await runKmi(['status', '--all'], { env: home.env, cwd: home.root });
  expect(all.stdout).toMatch(new RegExp(`pid +${proxy.child.pid}, version`));
  await proxy.stop();
  expect((await status(home)).json.proxy).toMatchObject({ running: false, pids: [] });
});

test('another program on the port is not taken for the proxy, and that is an alert', async () => {
  const home = await homeWithPort();
  await home.addKey({ label: 'ada' });
  const stranger = createServer((_request, response) => void response.end('{"status":"ok"}')).listen(home.port, '127.0.0.1');
  await once(stranger, 'listening');
  cleanUp(async () => void stranger.close());
  expect((await status(home)).json.proxy).toMatchObject({ running: false, pids: [] });
  const { stdout } = await runKmi(['status', '--plain'], { env: home.env, cwd: home.root });
  expect(stdout).toMatch(/^! Another program answers at/);
});

test('the human view is a line for the proxy and one a key when all is well', async () => {
  const home = await temporaryHome();
  await home.addKey({ label: 'ada', email: 'ada@example.com' });
  const dry = await runKmi(['status'], { env: home.env, cwd: home.root });
  expect(dry.stdout.split('\n')).toEqual([
    'Proxy  not running (dry-run, manual); start it with `kmi proxy`',
    '       Dry-run: nothing is sent; `kmi config set KMI_DRY_RUN 0` makes it live.',
    '',
    '1 key: 1 can serve',
    '  KEY  STATUS  LEFT  TODAY',
    '> ada  ready   -         0',
    '',
  ]);
  expect(dry).toMatchObject({ code: 0, stderr: '' });
  const live = await runKmi(['--status'], { env: { ...home.env, KMI_DRY_RUN: '0' }, cwd: home.root });
  expect(live.stdout).toMatch(/^Proxy {2}not running \(live, manual\)/);
});

test('colour is for terminals and for those who force it; --plain is ASCII only', async () => {
  const home = await temporaryHome();
  await home.addKey({ label: 'ada' });
  const run = async (args: string[], env: Record<string, string> = {}) =>
    (await runKmi(args, { env: { ...home.env, ...env }, cwd: home.root })).stdout;
  expect(await run(['status'])).not.toContain('\u001b');
  expect(await run(['status'], { FORCE_COLOR: '1' })).toContain('\u001b[32m');
  expect(await run(['--no-color', 'status'], { FORCE_COLOR: '1' })).not.toContain('\u001b');
  expect(await run(['--plain', 'status'], { FORCE_COLOR: '1' })).toMatch(/^[\n\u0020-\u007e]*$/);
});

test('a state file that is not JSON is moved aside and told on standard error', async () => {
  const home = await temporaryHome();
  await home.addKey({ label: 'ada' });
  await mkdir(home.stateDir);
  await writeFile(join(home.stateDir, 'state.json'), '{"keys": ');
  const { code, stderr } = await status(home);
  expect(code).toBe(0);
  expect(stderr).toMatch(/not JSON.*moved aside/);
});

test('keys of one account are an alert, and reading it writes no state', async () => {
  const home = await temporaryHome();
  for (const label of ['work', 'spare', 'mine']) await home.addKey({ label });
  const keys = { work: account('a1b2c3d4'), spare: account('a1b2c3d4'), mine: account('b2c3d4e5') };
  await writeState(home, { keys });
  const before = await readFile(join(home.stateDir, 'state.json'), 'utf8');
  const { stdout, code } = await runKmi(['status', '--plain'], { env: home.env, cwd: home.root });
  expect(code).toBe(0);
  expect(stdout).toContain('3 keys, 2 accounts: 3 can serve');
  expect(stdout).toMatch(/^! Keys of one account: spare, work\. A second key/);
  expect(await readFile(join(home.stateDir, 'state.json'), 'utf8')).toBe(before);
});

test('the strategy is the setting until another one is chosen', async () => {
  const home = await temporaryHome();
  await home.addKey({ label: 'ada' });
  const env = { KMI_ROTATE_STRATEGY: 'quota', KMI_AUTO_ROTATE_ALLOWED: '1' };
  await writeState(home, { auto_rotate: true });
  expect((await status(home, env)).json.rotation).toMatchObject({ strategy: 'quota', strategy_source: 'setting' });
  await writeState(home, { auto_rotate: true, rotation_strategy: 'sticky', session_moves: 2, session_move_tokens: 90_500 });
  expect((await status(home, env)).json.rotation).toMatchObject({
    strategy: 'sticky',
    strategy_source: 'chosen',
    session_moves: 2,
    session_move_tokens: 90_500,
  });
  const { stdout } = await runKmi(['status', '--all', '--plain'], { env: { ...home.env, ...env }, cwd: home.root });
  expect(stdout).toMatch(/mode +sticky \(chosen with `kmi rotate auto`; KMI_ROTATE_STRATEGY says\n +quota\)/);
  expect(stdout.replace(/\s+/g, ' ')).toContain(
    'moved 2 sessions whose account could not serve; 90,500 tokens had to be read again',
  );
});
