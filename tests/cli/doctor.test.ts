import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { alivenessOf } from '../../src/daemon/processes.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { cleanUp } from '../support/cleanup.ts';
import { type DaemonHome, daemonHome, daemonHomeWithPort, kill } from './daemon-home.ts';

const Count = z.int().nonnegative();
const Report = z.strictObject({
  version: z.string(),
  mode: z.enum(['dry-run', 'live']),
  summary: z.strictObject({ ok: Count, info: Count, warn: Count, fail: Count }),
  actions: z.array(z.string()),
  checks: z.array(
    z
      .strictObject({
        section: z.enum(['setup', 'keys', 'proxy', 'files', 'upstream', 'clients']),
        check: z.string().regex(/^[a-z0-9_]+$/),
        level: z.enum(['ok', 'info', 'warn', 'fail']),
        text: z.string().min(1),
        details: z.array(z.string()),
        fix: z.string().nullable(),
      })
      .refine(({ level, fix }) => fix !== null || level === 'ok' || level === 'info', 'what is wrong has a fix'),
  ),
});

async function doctor(home: DaemonHome, args: readonly string[] = [], env: Record<string, string> = {}) {
  const run = await home.kmi(['doctor', '--json', ...args], env);
  const json = Report.parse(JSON.parse(run.stdout));
  const counted = { ok: 0, info: 0, warn: 0, fail: 0 };
  for (const { level } of json.checks) counted[level] += 1;
  expect(json.summary).toEqual(counted);
  expect(run.code).toBe(json.summary.fail > 0 ? 1 : 0);
  const levelOf = (check: string) => json.checks.filter((each) => each.check === check).map(({ level }) => level);
  return { ...run, json, levelOf };
}

const inTime = (ms: number) => `${new Date(Date.now() + ms).toISOString().slice(0, 19)}Z`;

async function writeState(home: DaemonHome, keys: Record<string, unknown>): Promise<void> {
  await mkdir(home.stateDir, { recursive: true, mode: 0o700 });
  await writeFile(join(home.stateDir, 'state.json'), JSON.stringify({ schema_version: 1, keys }), { mode: 0o600 });
}

async function readState(home: DaemonHome): Promise<Record<string, Record<string, unknown>>> {
  return JSON.parse(await readFile(join(home.stateDir, 'state.json'), 'utf8')).keys;
}

const ACCOUNTS = [
  { name: 'ada', keys: ['sk-test-ada-1', 'sk-test-ada-2'], userId: 'u-ada' },
  { name: 'ben', keys: ['sk-test-ben'], userId: 'u-ben' },
];

async function simulatedHome(settings: Record<string, string> = {}) {
  const simulator = await startSimulator({ accounts: ACCOUNTS });
  cleanUp(() => simulator.close());
  const home = await daemonHome({ KMI_UPSTREAM_BASE_URL: simulator.baseUrl, ...settings });
  await home.addKey({ label: 'ada', key: 'sk-test-ada-1' });
  await home.addKey({ label: 'alt', key: 'sk-test-ada-2' });
  await home.addKey({ label: 'ben', key: 'sk-test-ben' });
  return { home, simulator };
}

test('a fresh installation: what is missing is named, nothing is made, nobody is asked', async () => {
  const home = await daemonHome();
  const { code, stderr, levelOf } = await doctor(home);
  expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
  expect(levelOf('auth_keys')).toEqual(['fail']);
  expect(levelOf('upstream')).toEqual(['info']);
  expect(levelOf('proxy_listening')).toEqual(['warn']);
  expect(levelOf('state_file')).toEqual(['info']);
  await expect(stat(home.stateDir)).rejects.toThrow('ENOENT');
});

test('a running live proxy with keys passes, and the upstream was asked without a key', async () => {
  const { home, simulator } = await simulatedHome({ KMI_DRY_RUN: '0', KMI_USAGE_CACHE_SECONDS: '0' });
  await chmod(home.authsDir, 0o700);
  await home.start();
  const before = simulator.received.length;
  const { json, code, levelOf } = await doctor(home);
  expect(code).toBe(0);
  expect(json.mode).toBe('live');
  for (const check of ['proxy_listening', 'upstream', 'clock', 'key_states', 'permissions', 'node_version']) {
    expect([check, ...levelOf(check)]).toEqual([check, 'ok']);
  }
  const asked = simulator.received.slice(before).filter(({ path }) => path.endsWith('/models'));
  expect(asked.map(({ headers }) => headers.authorization)).toEqual([undefined]);
});

test('an upstream that cannot be reached fails; in dry-run it is not asked', async () => {
  const { home, simulator } = await simulatedHome();
  await simulator.close();
  expect((await doctor(home)).levelOf('upstream')).toEqual(['info']);
  const { json, levelOf } = await doctor(home, [], { KMI_DRY_RUN: '0' });
  expect(levelOf('upstream')).toEqual(['fail']);
  expect(json.checks.find(({ check }) => check === 'upstream')?.text).toContain('ECONNREFUSED');
});

test('--recheck-keys asks in dry-run too, unblocks those that answer but the banned, and finds keys of one account', async () => {
  const { home, simulator } = await simulatedHome();
  await writeState(home, {
    ada: { error_401: 2, blocked_until: inTime(3_600_000), blocked_reason: 'payment_required', request_count: 7 },
    alt: { blocked_until: null, blocked_reason: 'banned' },
    ben: { blocked_until: inTime(3_600_000), blocked_reason: 'payment_required' },
  });
  simulator.account('ben').behave({ usagesFault: { status: 402, body: '{"error":{"message":"unable to verify"}}' } });
  const { json, levelOf } = await doctor(home, ['--recheck-keys']);
  expect(json.actions).toEqual(['Unblocked ada.']);
  expect(await readState(home)).toMatchObject({
    ada: { error_401: 0, blocked_until: null, blocked_reason: null, request_count: 7 },
    alt: { blocked_reason: 'banned' },
    ben: { blocked_reason: 'payment_required' },
  });
  expect(levelOf('recheck')).toEqual(['ok', 'warn']);
  const left = json.checks.find(({ check }) => check === 'key_states');
  expect(left).toMatchObject({ fix: expect.stringContaining('`kmi doctor --clear-blocklist` unblocks its keys') });
  expect(left?.details).toContain('alt: account closed by Kimi, until you unblock it');
  expect(json.checks.find(({ check }) => check === 'same_account')?.text).toBe('ada, alt belong to one account.');
  expect(levelOf('upstream')).toEqual(['ok']);
});

test('accounts that the state knows are counted without asking anybody', async () => {
  const { home } = await simulatedHome();
  const at = '2026-01-02T03:04:05Z';
  await writeState(home, {
    ada: { account_id: 'a1b2c3d4', account_checked_at: at },
    alt: { account_id: 'a1b2c3d4', account_checked_at: at },
    ben: { account_id: 'b2c3d4e5', account_checked_at: at },
  });
  const { json } = await doctor(home);
  const textOf = (check: string) => json.checks.find((each) => each.check === check)?.text;
  expect(textOf('same_account')).toBe('ada, alt belong to one account.');
  expect(textOf('auth_keys')).toMatch(/^3 keys, 2 accounts in /);
});

test('keys with one email are suspected without being asked', async () => {
  const home = await daemonHome();
  await home.addKey({ label: 'ada', email: 'kim@example.com' });
  await home.addKey({ label: 'ben', email: 'Kim@Example.com' });
  const { json } = await doctor(home);
  expect(json.checks.find(({ check }) => check === 'same_account')?.text).toContain('ada, ben have the same email');
});

test('--clear-blocklist unblocks every key, the banned ones too, and leaves the rest of the state alone', async () => {
  const { home } = await simulatedHome();
  await writeState(home, {
    ada: { error_401: 1, request_count: 3 },
    alt: { blocked_reason: 'banned' },
    ben: { exhausted_until: inTime(600_000), request_count: 5 },
  });
  const { json } = await doctor(home, ['--clear-blocklist']);
  expect(json.actions).toEqual(['Unblocked ada, alt.']);
  expect(await readState(home)).toMatchObject({
    ada: { error_401: 0, request_count: 3 },
    alt: { blocked_reason: null },
    ben: { exhausted_until: expect.any(String), request_count: 5 },
  });
  expect((await doctor(home, ['--clear-blocklist'])).json.actions).toEqual(['No key was blocked.']);
  expect((await home.kmi(['doctor', '--clear-blocklist', '--recheck-keys'])).code).toBe(2);
});

test('--fix closes files, removes a stale pid and what has run out, and says so; a second run has nothing to do', async () => {
  const home = await daemonHome();
  const { file } = await home.addKey({ label: 'ada' });
  await writeState(home, {
    ada: { blocked_until: inTime(-60_000), blocked_reason: 'payment_required', exhausted_until: inTime(200_000) },
  });
  const pid = await home.start();
  kill(pid);
  await expect.poll(() => alivenessOf(pid)).toBe('gone');
  // A proxy that starts closes them itself.
  await chmod(file, 0o644);
  await chmod(home.authsDir, 0o755);

  const before = await doctor(home);
  expect([...before.levelOf('permissions'), ...before.levelOf('expired_blocks')]).toEqual(['warn', 'info']);
  expect((await stat(file)).mode & 0o777).toBe(0o644);

  const { json, levelOf } = await doctor(home, ['--fix']);
  expect(json.actions.toSorted()).toEqual([
    `Closed ${home.authsDir} to other users.`,
    `Closed ${file} to other users.`,
    `Removed proxy.pid, which named the process ${pid} that is gone.`,
    'Removed the expired block or cooldown of ada.',
  ]);
  expect(levelOf('permissions')).toEqual(['ok']);
  expect(levelOf('expired_blocks')).toEqual([]);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await stat(home.authsDir)).mode & 0o777).toBe(0o700);
  expect(await home.pid()).toBeNull();
  expect(await readState(home)).toMatchObject({ ada: { blocked_reason: null, exhausted_until: expect.any(String) } });
  expect((await doctor(home, ['--fix'])).json.actions).toEqual(['There was nothing to fix.']);
});

test('a client is found on the PATH and its way to the proxy judged', async () => {
  const home = await daemonHomeWithPort();
  await home.addKey({ label: 'ada' });
  const bin = join(home.root, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'kimi'), '#!/usr/bin/env python3\nfrom kimi_cli.cli import main\nmain()\n', { mode: 0o755 });
  const PATH = `${bin}:${process.env.PATH}`;
  const wayOf = async (env: Record<string, string>) => {
    const { json } = await doctor(home, [], { PATH, ...env });
    const finding = json.checks.find(({ check }) => check === 'kimi_client');
    return `${finding?.level}: ${finding?.text}`;
  };
  expect(await wayOf({})).toMatch(/^info: kimi-cli .* directly/);
  expect(await wayOf({ KIMI_BASE_URL: home.proxyUrl })).toMatch(/^ok: kimi-cli .* by KIMI_BASE_URL/);
  await mkdir(join(home.root, '.kimi'));
  const config = `[providers.kmi]\ntype = "kimi"\nbase_url = "${home.proxyUrl}"\napi_key = "sk-anything-at-all"\n`;
  await writeFile(join(home.root, '.kimi', 'config.toml'), config);
  expect(await wayOf({})).toMatch(/^ok: kimi-cli .* by its config/);
  expect(await wayOf({ KMI_PROXY_TOKEN: 'a-token' })).toMatch(/^warn: .*another key than the proxy's token/);
});

test('the human view has every check, a summary, and never a key', async () => {
  const home = await daemonHome();
  const { key } = await home.addKey({ label: 'ada' });
  await writeFile(join(home.authsDir, 'broken.toml'), '[x\n');
  const { stdout, code, stderr } = await home.kmi(['doctor', '--plain'], { KMI_PROXY_TOKEN: 'token-that-is-a-secret' });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  for (const section of ['Setup', 'Keys', 'Proxy', 'Files', 'Upstream', 'Clients'])
    expect(stdout).toMatch(new RegExp(`^${section}$`, 'm'));
  expect(stdout).toContain('broken.toml: ');
  expect(stdout.trimEnd().split('\n').at(-1)).toMatch(/^\d+ ok, \d+ info, \d+ warnings?, \d+ failures?$/);
  expect(stdout).not.toContain(key);
  expect(stdout).not.toContain('token-that-is-a-secret');
});
