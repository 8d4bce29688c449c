import { execFileSync } from 'node:child_process';
import { watch } from 'node:fs';
import { chmod, chown, lstat, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cleanUp } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { type TemporaryHome, temporaryHome } from '../support/home.ts';
import { send } from '../support/http-client.ts';
import { canActAsOthers, folderForAll, type Ran, runAs, USER } from '../support/other-user.ts';
import { runKmi, startKmi } from '../support/spawn.ts';

const CLI = resolve(import.meta.dirname, '../../dist/cli.js');
const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
const STRANGER = 4242;

/** Paths below a folder that group or world can reach, links left out. */
async function openPaths(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const open: string[] = [];
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    const { mode } = await lstat(path);
    if (!entry.isSymbolicLink() && (mode & 0o077) !== 0) open.push(`${path} ${(mode & 0o777).toString(8)}`);
  }
  return open;
}

/** Runs the binary under a umask, as another user when asked. */
function runWithUmask(umask: string, args: readonly string[], home: TemporaryHome, env: Record<string, string> = {}): string {
  const all = { PATH: process.env.PATH ?? '', ...home.env, ...env };
  return execFileSync('/bin/sh', ['-c', `umask ${umask}; exec "$0" "$@"`, process.execPath, CLI, ...args], {
    env: all,
    cwd: home.root,
    encoding: 'utf8',
    input: `sk-kimi-${umask}-0123456789\n`,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

describe('files and folders', () => {
  it.each(['000', '022', '077', '0177', '0277'])(
    'are 600 and 700 under umask %s, when made and when written again',
    async (umask) => {
      const home = await temporaryHome();
      await rm(home.authsDir, { recursive: true });
      const env = { KMI_DRY_RUN: '0', KMI_AUTO_ROTATE_ALLOWED: '1', KMI_AUTO_ROTATE_E2E: '0' };
      runWithUmask(umask, ['init', '--key-stdin', '--no-test', '--dry-run', '--yes', '--auto-rotate'], home, env);
      await mkdir(join(home.root, '.kimi'), { mode: 0o700 });
      await writeFile(
        join(home.root, '.kimi', 'config.toml'),
        'default_model = "m"\n[models.m]\nprovider = "p"\n[providers.p]\napi_key = "old"\n',
        { mode: 0o644 },
      );
      await writeFile(join(home.root, 'umask.mjs'), `process.umask(0o${umask});`, { mode: 0o600 });
      const proxy = await startKmi(['proxy', '--foreground', '--make-token'], {
        env: { ...home.env, ...env, NODE_OPTIONS: `--import ${join(home.root, 'umask.mjs')}` },
        cwd: home.root,
      });
      const [, url] = await proxy.waitForOutput(/serves (\S+)/);
      const token = (await readFile(join(home.stateDir, 'proxy.token'), 'utf8')).trim();
      await send(`${url}/models`, { method: 'GET', headers: { 'x-api-key': token } });
      await eventually(() => stat(join(home.stateDir, 'trace', 'trace.jsonl')));
      await proxy.stop();
      runWithUmask(umask, ['rotate', 'off'], home, env);
      runWithUmask(umask, ['keys', 'disable', 'main'], home, env);
      expect(await openPaths(home.root)).toEqual([`${join(home.root, '.kimi', 'config.toml')} 644`]);
      for (const file of ['state.json', 'proxy.token', 'logs/kmi.log', 'trace/trace.jsonl'])
        expect(await modeOf(join(home.stateDir, file))).toBe('600');
      for (const folder of ['', 'logs', 'trace']) expect(await modeOf(join(home.stateDir, folder))).toBe('700');
      expect([
        await modeOf(home.authsDir),
        await modeOf(join(home.authsDir, 'main.env')),
        await modeOf(join(home.stateDir, '.env')),
      ]).toEqual(['700', '600', '600']);
    },
  );

  it('of the background proxy are as private, and no temporary file is left behind', async () => {
    const home = await temporaryHome();
    await home.addKey({ label: 'a' });
    runWithUmask('000', ['proxy'], home);
    runWithUmask('000', ['rotate'], home);
    await runKmi(['proxy-stop', '-y'], { env: home.env, cwd: home.root });
    expect(await openPaths(home.stateDir)).toEqual([]);
    const names = await readdir(home.root, { recursive: true });
    expect(names.filter((name) => /\.tmp$|\.lock$|\.stopping$|\.pid$/.test(name))).toEqual([]);
  });
});

describe('auth files that others can read', () => {
  it('are closed by the first command that looks at them', async () => {
    const home = await temporaryHome();
    const { file } = await home.addKey({ label: 'a' });
    const folder = join(home.authsDir, 'team');
    await mkdir(folder);
    await writeFile(join(folder, 'b.toml'), '[providers.x]\napi_key = "sk-kimi-b-0123456789"\n');
    for (const path of [home.authsDir, folder]) await chmod(path, 0o755);
    for (const path of [file, join(folder, 'b.toml')]) await chmod(path, 0o644);
    const { stderr } = await runKmi(['keys'], { env: home.env, cwd: home.root });
    expect(stderr).toBe('');
    expect(await Promise.all([home.authsDir, folder, file, join(folder, 'b.toml')].map(modeOf))).toEqual([
      '700',
      '700',
      '600',
      '600',
    ]);
  });

  it('are warned of, each time, when KMI_ENFORCE_FILE_PERMS=0 leaves them open', async () => {
    const home = await temporaryHome();
    const { file } = await home.addKey({ label: 'a' });
    await chmod(file, 0o644);
    for (const args of [['keys'], ['rotate'], ['status']]) {
      const { stderr } = await runKmi(args, { env: { ...home.env, KMI_ENFORCE_FILE_PERMS: '0' }, cwd: home.root });
      expect(stderr).toContain('can reach your keys');
      expect(stderr).toContain(file);
    }
    expect(await modeOf(file)).toBe('644');
  });

  it.skipIf(!canActAsOthers)("are warned of when they are another user's, and only looked at by doctor", async () => {
    const home = await temporaryHome();
    const { file } = await home.addKey({ label: 'a' });
    await chmod(file, 0o644);
    await chown(file, STRANGER, STRANGER);
    expect((await runKmi(['doctor'], { env: home.env, cwd: home.root })).stdout).toContain(file);
    expect((await runKmi(['keys'], { env: home.env, cwd: home.root })).stderr).toContain('can reach your keys');
    expect(await modeOf(file)).toBe('644');
  });
});

/** A folder every user can write to, as /tmp is; with a home in it that belongs to `USER`. */
async function sharedFolder(): Promise<{
  shared: string;
  run: (args: readonly string[], env: Record<string, string>) => Promise<Ran>;
}> {
  const shared = await folderForAll(0o1777);
  const home = join(shared, 'home');
  await mkdir(join(home, '_auths'), { recursive: true });
  await writeFile(join(home, '_auths', 'a.env'), 'KMI_API_KEY=sk-kimi-a-0123456789\n', { mode: 0o600 });
  for (const path of [home, join(home, '_auths'), join(home, '_auths', 'a.env')]) await chown(path, USER, USER);
  for (const path of [home, join(home, '_auths')]) await chmod(path, 0o700);
  const own = { HOME: home, KMI_AUTHS_DIR: join(home, '_auths'), KMI_STATE_DIR: join(home, '.kmi') };
  const run = (args: readonly string[], env: Record<string, string>) =>
    runAs(args, { env: { ...own, ...env }, cwd: env.PWD ?? home });
  return { shared, run };
}

describe.skipIf(!canActAsOthers)('in a folder that users share', () => {
  const VICTIM = 'precious\n';
  const victimIn = async (shared: string) => {
    const victim = join(shared, 'home', 'victim');
    await writeFile(victim, VICTIM, { mode: 0o600 });
    await chown(victim, USER, USER);
    return victim;
  };
  const plant = async (path: string, target: string) => {
    const { lchown } = await import('node:fs/promises');
    await symlink(target, path);
    await lchown(path, STRANGER, STRANGER);
  };

  it('a state file of another user, or a link another user put there, is refused', async () => {
    const { shared, run } = await sharedFolder();
    const state = join(shared, 'state');
    await mkdir(state);
    await chmod(state, 0o1777);
    const victim = await victimIn(shared);
    await plant(join(state, 'state.json'), victim);
    const linked = await run(['status'], { KMI_STATE_DIR: state });
    expect(linked).toMatchObject({ code: 1, text: expect.stringContaining('belongs to another user') });
    expect((await run(['rotate'], { KMI_STATE_DIR: state })).code).toBe(1);
    await rm(join(state, 'state.json'));
    await writeFile(join(state, 'state.json'), '{"schema_version":1,"active_key":"a","keys":{}}', { mode: 0o644 });
    await chown(join(state, 'state.json'), STRANGER, STRANGER);
    expect(await run(['status'], { KMI_STATE_DIR: state })).toMatchObject({
      code: 1,
      text: expect.stringContaining('belongs to another user'),
    });
    expect(await readFile(victim, 'utf8')).toBe(VICTIM);
  });

  it("nothing is written through another user's link or into another user's file: log, trace, output, .env", async () => {
    const { shared, run } = await sharedFolder();
    const state = join(shared, 'state');
    const victim = await victimIn(shared);
    for (const folder of [state, join(state, 'logs'), join(state, 'trace')]) {
      await mkdir(folder);
      await chmod(folder, 0o1777);
    }
    for (const file of ['logs/kmi.log', 'trace/trace.jsonl', 'logs/proxy.out']) await plant(join(state, file), victim);
    await plant(join(shared, '.env'), victim);
    expect((await run(['proxy'], { KMI_STATE_DIR: state, KMI_PROXY_LISTEN: '127.0.0.1:1' })).code).toBe(1);
    await run(['rotate', 'auto'], { KMI_STATE_DIR: state, KMI_AUTO_ROTATE_ALLOWED: '1', KMI_AUTO_ROTATE_E2E: '0' });
    expect(
      await run(['init', '--live', '--yes'], { KMI_STATE_DIR: state, KMI_ENV_PATH: join(shared, '.env'), PWD: shared }),
    ).toMatchObject({ code: 2 });
    expect(await readFile(victim, 'utf8')).toBe(VICTIM);
    await rm(join(state, 'logs', 'kmi.log'));
    await writeFile(join(state, 'logs', 'kmi.log'), '', { mode: 0o666 });
    await chown(join(state, 'logs', 'kmi.log'), STRANGER, STRANGER);
    await run(['rotate', 'auto'], { KMI_STATE_DIR: state, KMI_AUTO_ROTATE_ALLOWED: '1', KMI_AUTO_ROTATE_E2E: '0' });
    expect(await readFile(join(state, 'logs', 'kmi.log'), 'utf8')).toBe('');
  });

  it("another user's auth file, pid file, client token and .env count for nothing", async () => {
    const { shared, run } = await sharedFolder();
    const auths = join(shared, '_auths');
    await mkdir(auths);
    await chmod(auths, 0o1777);
    await writeFile(
      join(auths, 'evil.env'),
      'KMI_API_KEY=sk-kimi-evil-0123456789\nKMI_UPSTREAM_BASE_URL=https://evil.example/v1\n',
      { mode: 0o644 },
    );
    await chown(join(auths, 'evil.env'), STRANGER, STRANGER);
    const { keys, skipped_auth_files: skipped } = JSON.parse(
      (await run(['keys', 'list', '--json'], { KMI_AUTHS_DIR: auths })).stdout,
    );
    expect([keys, skipped[0].reason]).toEqual([[], 'not_owned']);

    const state = join(shared, 'state');
    await mkdir(state);
    await chown(state, USER, USER);
    await writeFile(join(state, 'proxy.token'), 'evil', { mode: 0o600 });
    await chown(join(state, 'proxy.token'), STRANGER, STRANGER);
    expect((await run(['config'], { KMI_STATE_DIR: state })).code).toBe(2);

    await writeFile(join(shared, '.env'), 'KMI_UPSTREAM_BASE_URL=https://evil.example/v1\n', { mode: 0o644 });
    await chown(join(shared, '.env'), STRANGER, STRANGER);
    expect(await run(['status'], { PWD: shared })).toMatchObject({
      code: 2,
      text: expect.stringContaining('belongs to another user'),
    });
    await writeFile(join(shared, '.env'), 'DATABASE_URL=x\n');
    expect((await run(['config'], { PWD: shared })).code).toBe(0);
  });
});

it('temporary files have names nobody can guess, are never opened through a link, and are tidied up after a crash', async () => {
  const home = await temporaryHome();
  await home.addKey({ label: 'a' });
  await mkdir(home.stateDir, { mode: 0o700 });
  const leftover = join(home.stateDir, 'state.json.1.0123456789ab.tmp');
  await writeFile(leftover, '{}');
  await runKmi(['rotate'], { env: home.env, cwd: home.root });
  await expect(stat(leftover)).rejects.toThrow();
  // What a neighbour in the folder could see of the names.
  const seen = new Set<string>();
  const watcher = watch(home.stateDir, (_, name) => void (name?.endsWith('.tmp') && seen.add(name)));
  cleanUp(async () => watcher.close());
  for (let n = 0; n < 3; n++) await runKmi(['rotate'], { env: home.env, cwd: home.root });
  const nonces = [...seen].map((name) => /^state\.json\.\d+\.([0-9a-f]{12})\.tmp$/.exec(name)?.[1]);
  expect(nonces.length).toBeGreaterThanOrEqual(3);
  expect(nonces).not.toContain(undefined);
  expect(new Set(nonces).size).toBe(nonces.length);
});
