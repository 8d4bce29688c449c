import { chmod, mkdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { kimiCliLogin, kimiCodeLogin, type LoginHome, loginHome, loginSimulator } from './login-home.ts';

let simulator: Simulator;
let home: LoginHome;

beforeAll(async () => {
  simulator = await loginSimulator(['ada', 'ben', 'cleo']);
});

beforeEach(async () => {
  home = await loginHome(simulator, { KMI_DRY_RUN: '0' });
});

type Check = {
  readonly check: string;
  readonly level: string;
  readonly text: string;
  readonly details: readonly string[];
  readonly fix: string | null;
};

const keyList = async () => JSON.parse((await home.kmi(['keys', 'list', '--json'])).stdout).keys;
const checks = async (name: string): Promise<readonly Check[]> => {
  const { stdout } = await home.kmi(['doctor', '--json']);
  return (JSON.parse(stdout).checks as Check[]).filter(({ check }) => check === name);
};

describe('a login in the commands of keys', () => {
  beforeEach(async () => {
    await home.logIn('ada');
  });

  it('is renamed, disabled and enabled in its own file, and its tokens stay', async () => {
    const { ada: before } = await home.logins();
    const renamed = await home.kmi(['keys', 'rename', 'ada', 'work']);
    expect(renamed.stdout).toBe('Renamed ada to work. Its counters go along. A running proxy follows within a second.\n');
    expect(await home.kmi(['keys', 'disable', 'work'])).toMatchObject({
      code: 0,
      stdout: 'Disabled work. A running proxy follows within a second.\n',
      stderr: 'No key is enabled now, so nothing can be served.\n',
    });
    expect(await home.logins()).toMatchObject({ work: { id: before?.id, disabled: true, tokens: before?.tokens } });
    const listed = await home.kmi(['keys']);
    expect(listed.stdout).toMatch(/^> work +disabled +login .*\n {4}disabled with `kmi keys disable`$/m);
    expect((await home.kmi(['keys', 'disable', 'work'])).stdout).toBe('work is disabled already.\n');
    await home.kmi(['keys', 'enable', 'work']);
    expect(await home.logins()).toEqual({ work: { ...before, label: 'work' } });
    expect(await keyList()).toMatchObject([{ label: 'work', kind: 'login', disabled: false, state: 'healthy', reason: null }]);
  });

  it('cannot have the label of a key, in either direction', async () => {
    await home.addKey({ label: 'work', key: 'sk-kimi-ben-0123456789abcdef' });
    for (const [from, to] of [
      ['ada', 'WORK'],
      ['work', 'ada'],
    ] as const) {
      const { code, stderr } = await home.kmi(['keys', 'rename', from, to]);
      expect(code).toBe(1);
      expect(stderr).toContain('There is another key called');
    }
  });

  it('gets another weight and priority in its own file, as a key does in its', async () => {
    const { ada: before } = await home.logins();
    await home.addKey({ label: 'work' });
    expect(await home.kmi(['keys', 'set', 'ada', '--weight', '300', '--priority', '-2'])).toMatchObject({
      code: 0,
      stdout: 'Set ada: weight 300, priority -2. A running proxy follows within a second.\n',
    });
    expect(await home.logins()).toEqual({ ada: { ...before, weight: 300, priority: -2 } });
    await home.kmi(['keys', 'set', 'work', '--weight', '50']);
    expect(await readFile(join(home.authsDir, 'work.env'), 'utf8')).toMatch(/^KMI_KEY_LABEL=work\n[\s\S]*^KMI_KEY_WEIGHT=50$/m);
    expect(await keyList()).toMatchObject([
      { label: 'work', weight: 50, priority: 0 },
      { label: 'ada', weight: 300, priority: -2 },
    ]);
    for (const [args, words] of [
      [[], /Nothing to set\.\n.*--weight 200/],
      [['--weight', '0'], /--weight takes a whole number from 1 to 1000/],
      [['--priority', 'x'], /--priority takes a whole number/],
    ] as const) {
      expect(await home.kmi(['keys', 'set', 'ada', ...args])).toMatchObject({ code: 2, stderr: expect.stringMatching(words) });
    }
  });

  it('is tested with its present token, and with the next one when that has ended', async () => {
    expect(await home.kmi(['keys', 'test'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^ada +works +5h limit/m) });
    simulator.oauth.endAccess('ada');
    const renewals = simulator.oauth.renewals('ada');
    expect(await home.kmi(['keys', 'test', 'ada'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^ada +works/m) });
    expect(simulator.oauth.renewals('ada')).toBe(renewals + 1);
  });

  it('is removed as `kmi logout` does it, beside keys', async () => {
    await home.addKey({ label: 'work' });
    const { code, stdout } = await home.kmi(['keys', 'remove', 'ada', 'work', '-y']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Removed ada\. Its tokens are deleted\.\nRemoved work\. Its file is now _auths\/work\.env\.removed/);
    expect(await home.logins()).toEqual({});
  });

  it('is completed by its label', async () => {
    await home.addKey({ label: 'work' });
    expect((await home.kmi(['completion', '--labels'])).stdout).toBe('ada\nwork\n');
  });

  it('never has its token written into the config of a Kimi client', async () => {
    await kimiCodeLogin(home, simulator, 'ben');
    const config = join(home.root, '.kimi-code', 'config.toml');
    const before = await readFile(config, 'utf8');
    const { code, stdout } = await home.kmi(['rotate', '--write-config']);
    expect(code).toBe(0);
    expect(stdout.replace(/\s+/g, ' ')).toContain('was left alone: The active key is a login, which has no API key.');
    expect(await readFile(config, 'utf8')).toBe(before);
  });

  it('its account counts as one with a key of it in status and health', async () => {
    const status = JSON.parse((await home.kmi(['status', '--json'])).stdout);
    expect(status).toMatchObject({ keys: { total: 1 }, accounts: { total: 1, unknown_keys: 0 } });
    const health = await home.kmi(['health', '--json']);
    expect(JSON.parse(health.stdout).keys).toMatchObject([{ label: 'ada', status: 'healthy', error: null }]);
  });
});

describe('a login that has expired', () => {
  it('says in every view that it has, and which command renews it; after that it serves again', async () => {
    await home.logIn('ada');
    await home.addKey({ label: 'work', key: 'sk-kimi-ben-0123456789abcdef' });
    simulator.oauth.revoke('ada');
    const tested = await home.kmi(['keys', 'test', 'ada']);
    expect(tested.code).toBe(1);
    expect(tested.stdout.replace(/\s+/g, ' ')).toMatch(
      /^KEY RESULT ANSWER ada refused the login has expired\. `kmi login --label ada` logs in again\./,
    );
    const recheck = JSON.parse((await home.kmi(['doctor', '--recheck-keys', '--json'])).stdout).checks as Check[];
    expect(recheck.filter(({ check }) => check === 'recheck')).toContainEqual(
      expect.objectContaining({ level: 'warn', details: ['ada: its login has expired'] }),
    );
    expect(await keyList()).toMatchObject([
      { label: 'ada', state: 'blocked', reason: 'login_expired' },
      { label: 'work', reason: null },
    ]);
    expect((await home.kmi(['keys', 'list'])).stdout).toMatch(/^> ada +blocked +login .*\n {4}login expired$/m);
    const status = await home.kmi(['status']);
    expect(status.stdout).toMatch(/Login expired: ada\n.*`kmi login --label ada` logs in again\./);
    expect(await checks('login_state')).toMatchObject([
      { level: 'warn', text: 'The login ada has expired.', fix: '`kmi login --label ada` logs in again.' },
    ]);
    expect(await checks('key_states')).toMatchObject([
      { level: 'warn', details: ['ada: login expired'], fix: 'Log in again; how stands under Logins.' },
    ]);
    await home.logIn('ada', ['--label', 'ada']);
    expect(await keyList()).toMatchObject([{ label: 'ada', state: 'healthy', reason: null }, { label: 'work' }]);
    expect((await home.kmi(['status'])).stdout).not.toContain('expired');
  });

  it('and was the only one: that is said once, to the client too', async () => {
    await home.logIn('ada');
    simulator.oauth.revoke('ada');
    await home.kmi(['keys', 'test']);
    const status = await home.kmi(['status']);
    expect(status.stdout).toMatch(/The only Kimi key needs a new login\.\n.*`kmi login --label ada` logs in again\./);
    expect(status.stdout).not.toContain('Login expired');
    const proxy = await home.start(['proxy', '--foreground']);
    const [, url] = await proxy.waitForOutput(/serves (http\S+)/);
    const chat = await fetch(`${url}/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model: 'k3', messages: [{ role: 'user', content: 'hi' }] }),
    });
    expect(await chat.text()).toContain('The only Kimi key needs a new login. `kmi login --label ada` logs in again.');
    await proxy.stop();
  });

  it("of Kimi Code names Kimi Code's own command", async () => {
    const slot = await kimiCodeLogin(home, simulator, 'ben');
    await home.kmi(['login', '--existing']);
    await rm(slot.file);
    expect(await keyList()).toMatchObject([{ label: 'ben', reason: 'login_expired' }]);
    expect((await home.kmi(['status'])).stdout).toMatch(/needs a new login\.\n.*Log in again in Kimi Code: `kimi login`\./);
    expect(await checks('login_state')).toMatchObject([
      {
        level: 'warn',
        text: expect.stringContaining('Kimi Code has logged out'),
        fix: 'Log in again in Kimi Code: `kimi login`.',
      },
    ]);
  });
});

describe('kmi doctor on logins', () => {
  it('tells each with its age and token, who shares it, and that the clock agrees', async () => {
    await home.logIn('ada');
    await kimiCodeLogin(home, simulator, 'ben');
    await home.kmi(['login', '--existing']);
    const [state] = await checks('login_state');
    expect(state).toMatchObject({ level: 'ok', text: '2 logins in force:' });
    expect([...(state?.details ?? [])].sort()).toEqual([
      expect.stringMatching(/^ada: kmi's own, made .*; its token is good for 14 min$/),
      expect.stringMatching(/^ben: Kimi Code's, in use for .*; its token is good for 14 min$/),
    ]);
    expect(await checks('login_shared')).toMatchObject([
      {
        level: 'info',
        text: 'ben is the login of Kimi Code, which goes on using it (.kimi-code/credentials/kimi-code-env-test.json); nobody renews it at this moment.',
      },
    ]);
    expect(await checks('login_host')).toMatchObject([
      { level: 'ok', text: expect.stringMatching(/^127\.0\.0\.1:\d+ answers, and both clocks agree\.$/) },
    ]);
    expect(await checks('login_region')).toEqual([]);
    expect((await home.kmi(['doctor'])).stdout).toMatch(/^Logins$/m);
  });

  it('asks no server in dry-run', async () => {
    await home.logIn('ada');
    const { stdout } = await home.kmi(['doctor', '--json'], { KMI_DRY_RUN: '1' });
    const found = (JSON.parse(stdout).checks as Check[]).filter(({ check }) => check === 'login_host');
    expect(found).toMatchObject([{ level: 'info', text: 'Authorisation servers are not asked in dry-run.' }]);
  });

  it('says when the authorisation server is away, and what that means', async () => {
    await home.logIn('ada');
    const { ada } = await home.logins();
    const file = join(home.stateDir, 'logins', `${ada?.id}.json`);
    await writeFile(
      file,
      (await readFile(file, 'utf8')).replace(`"oauth_host": "${simulator.origin}"`, '"oauth_host": "http://127.0.0.1:9"'),
    );
    expect(await checks('login_host')).toMatchObject([
      {
        level: 'warn',
        text: expect.stringContaining('127.0.0.1:9, which renews ada, does not answer'),
        fix: expect.stringContaining('present tokens last'),
      },
    ]);
  });

  it('finds a broken file, a lock that cannot be made, a held lock, and a login of kimi-cli', async () => {
    await home.logIn('ada');
    await kimiCodeLogin(home, simulator, 'ben');
    await home.kmi(['login', '--existing']);
    await rm(join(home.root, '.kimi-code', 'oauth'), { recursive: true, force: true });
    await writeFile(join(home.root, '.kimi-code', 'oauth'), 'in the way');
    const { ada } = await home.logins();
    await writeFile(join(home.stateDir, 'logins', `${ada?.id}.json`), '{ broken');
    expect(await checks('login_file')).toMatchObject([
      { level: 'fail', text: expect.stringContaining(`${ada?.id}.json: It is not a JSON object`) },
    ]);
    expect(await checks('auth_files_skipped')).toEqual([]);
    expect(await checks('login_lock')).toMatchObject([
      { level: 'fail', text: expect.stringContaining('oauth cannot be a folder (ENOTDIR)') },
    ]);
    await rm(join(home.root, '.kimi-code', 'oauth'));
    const lock = join(home.root, '.kimi-code', 'oauth', 'kimi-code-env-test.lock');
    await mkdir(lock, { recursive: true });
    // On a loaded machine the doctor may look only after the lock has gone stale.
    const soon = new Date(Date.now() + 60_000);
    await utimes(lock, soon, soon);
    expect(await checks('login_shared')).toMatchObject([{ text: expect.stringContaining('it is being renewed at this moment') }]);
    const before = new Date(Date.now() - 120_000);
    await utimes(lock, before, before);
    expect(await checks('login_shared')).toMatchObject([
      { text: expect.stringContaining('a process that renewed it ended 2 min ago') },
    ]);
    expect(await checks('login_lock')).toEqual([]);
    await rm(join(home.root, '.kimi-code'), { recursive: true });
    await kimiCliLogin(home, simulator, 'cleo');
    await home.kmi(['login', '--existing']);
    expect(await checks('login_kimi_cli')).toMatchObject([
      {
        level: 'warn',
        text: expect.stringContaining('kimi-cli, which is archived'),
        fix: expect.stringContaining('`kmi login --label cleo`'),
      },
    ]);
  });

  it.skipIf(process.platform === 'win32')('closes files of logins that others can read, as every command does', async () => {
    await home.logIn('ada');
    const { ada } = await home.logins();
    const folder = join(home.stateDir, 'logins');
    const file = join(folder, `${ada?.id}.json`);
    await chmod(folder, 0o755);
    await chmod(file, 0o644);
    // The doctor only looks.
    const { stdout } = await home.kmi(['doctor', '--json']);
    expect(JSON.stringify(JSON.parse(stdout).checks)).toContain(`${ada?.id}.json`);
    await home.kmi(['status']);
    expect([(await stat(folder)).mode & 0o777, (await stat(file)).mode & 0o777]).toEqual([0o700, 0o600]);
  });
});
