import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hashAccountId } from '../../src/accounts/fetch-account.ts';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { kimiCliLogin, kimiCodeLogin, type LoginHome, loginHome, loginSimulator } from './login-home.ts';

let simulator: Simulator;
let home: LoginHome;

beforeAll(async () => {
  simulator = await loginSimulator(['ada', 'ben']);
});

beforeEach(async () => {
  home = await loginHome(simulator);
});

const use = (args: readonly string[] = []) => home.kmi(['login', '--existing', ...args]);
const accountId = (name: string) => hashAccountId(`user-${name}`);

describe('kmi login --existing', () => {
  it("uses Kimi Code's login in place: nothing is copied, renewed or written there", async () => {
    const slot = await kimiCodeLogin(home, simulator, 'ada');
    const before = await slot.text();
    const grants = simulator.oauth.grants.length;
    const { code, stdout, stderr } = await use();
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Using the login of Kimi Code as ada \(ada@example\.com\): 5h limit \d+ % left/);
    expect(stderr).toContain('Kimi Code stays logged in, and both go on with the same login.');
    expect(await slot.text()).toBe(before);
    expect(simulator.oauth.grants.length).toBe(grants);
    const { ada } = await home.logins();
    expect(ada).toMatchObject({ kind: 'kimi-code', file: slot.file, account: accountId('ada'), email: 'ada@example.com' });
    expect(ada).not.toHaveProperty('tokens');
    const listed = await home.kmi(['keys', 'list']);
    expect(listed.stdout).toMatch(/^> ada +ready +Kimi Code login +ada@example\.com +logins\/[0-9a-f]{8}\.json$/m);
  });

  it('a token that has ended is renewed once under the lock, and the account is known all the same', async () => {
    const slot = await kimiCodeLogin(home, simulator, 'ada', { endsIn: -60 });
    const before = JSON.parse(await slot.text());
    const { code, stdout } = await use(['--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      event: 'done',
      label: 'ada',
      kind: 'kimi-code',
      account: accountId('ada'),
      replaced: false,
      works: true,
    });
    const after = JSON.parse(await slot.text());
    expect(Object.keys(after)).toEqual(Object.keys(before));
    expect(after.refresh_token).not.toBe(before.refresh_token);
    expect(simulator.oauth.isLive(after.refresh_token)).toBe(true);
    expect(simulator.oauth.grants.filter(({ refreshToken }) => refreshToken === before.refresh_token)).toHaveLength(1);
    expect(Object.keys(await home.logins())).toEqual(['ada']);
    // The lock has been given back; its empty file stays.
    await expect(stat(join(home.root, '.kimi-code', 'oauth', 'kimi-code-env-test.lock'))).rejects.toThrow('ENOENT');
  });

  it('the account of an own login is the same member, either way', async () => {
    const slot = await kimiCodeLogin(home, simulator, 'ada');
    await home.logIn('ada', ['--label', 'work']);
    const { work: own } = await home.logins();
    const there = await use();
    expect(there.stdout).toMatch(/^Using the login of Kimi Code as work /);
    expect(there.stderr).toContain("It takes the place of kmi's own login of this account, whose tokens are deleted.");
    expect(await home.logins()).toMatchObject({ work: { id: own?.id, kind: 'kimi-code', file: slot.file } });
    const here = await home.logIn('ada', ['--label', 'mine']);
    expect(here.stderr).toContain('It takes the place of the login of Kimi Code, which kmi no longer uses.');
    const logins = await home.logins();
    expect(Object.keys(logins)).toEqual(['mine']);
    expect(logins).toMatchObject({ mine: { id: own?.id, kind: 'own', file: null } });
  });

  describe.each([
    ['in force', 900],
    ['ended', -60],
  ])('of an account that has an own login, and its token has %s', (_, endsIn) => {
    const replaced = "It takes the place of kmi's own login of this account, whose tokens are deleted.";

    it('another label is that of the one member', async () => {
      await home.logIn('ada');
      const { ada: own } = await home.logins();
      const slot = await kimiCodeLogin(home, simulator, 'ada', { endsIn });
      const { code, stdout, stderr } = await use(['--label', 'work']);
      expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining(replaced) });
      expect(stdout).toMatch(/^Using the login of Kimi Code as work \(ada@example\.com\): /);
      const { work, ...others } = await home.logins();
      expect(others).toEqual({});
      expect(work).toMatchObject({ id: own?.id, kind: 'kimi-code', file: slot.file, account: accountId('ada') });
    });

    it('its label stays, and that it was replaced is told', async () => {
      await home.logIn('ada', ['--label', 'home']);
      await kimiCodeLogin(home, simulator, 'ada', { endsIn });
      const { code, stdout } = await use(['--json']);
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ label: 'home', kind: 'kimi-code', replaced: true });
      expect(Object.keys(await home.logins())).toEqual(['home']);
    });
  });

  it('one whose token has ended and is refused is no login, and nothing is stored or changed', async () => {
    await home.logIn('ben');
    const before = await home.logins();
    const slot = await kimiCodeLogin(home, simulator, 'ada', { endsIn: -60 });
    const text = await slot.text();
    simulator.oauth.revoke('ada');
    const { code, stdout, stderr } = await use();
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(
      'The login of Kimi Code on this machine has expired.\n     Log in again in Kimi Code: `kimi login`.',
    );
    expect(await home.logins()).toEqual(before);
    expect(await slot.text()).toBe(text);
    const json = await use(['--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ event: 'error', code: 'login_failed' });
  });

  it('one whose token has ended can be renewed later too: the server is away for a while', async () => {
    const slot = await kimiCodeLogin(home, simulator, 'ada', { endsIn: -60 });
    simulator.oauth.fail({ status: 400 }, { on: ['refresh'] });
    const { code, stdout } = await use();
    simulator.oauth.heal();
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^Using the login of Kimi Code as login: /) });
    expect(await home.logins()).toMatchObject({ login: { file: slot.file, account: null } });
  });

  it("kimi-cli's login is used while it is valid, and that is said", async () => {
    const slot = await kimiCliLogin(home, simulator, 'ben');
    const before = await slot.text();
    const { code, stdout, stderr } = await use();
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Using the login of kimi-cli as ben /);
    expect(stderr).toMatch(/at present until \d\d:\d\d: kmi never renews it\. `kmi login` makes a login that lasts\./);
    expect(await slot.text()).toBe(before);
    expect(await home.logins()).toMatchObject({ ben: { kind: 'kimi-cli', file: slot.file } });
  });

  it('in a test the addresses of the simulator stand for those of the login', async () => {
    const slot = await kimiCodeLogin(home, simulator, 'ada', { endsIn: -60, isElsewhere: true });
    const settings = { KMI_OAUTH_HOST_OVERRIDES_SLOTS: '1' };
    expect(await home.kmi(['login', '--existing'], settings)).toMatchObject({ code: 0 });
    expect(await home.logins()).toMatchObject({
      ada: { file: slot.file, base_url: simulator.baseUrl, account: accountId('ada') },
    });
    expect(simulator.oauth.isLive(JSON.parse(await slot.text()).refresh_token)).toBe(true);
  });

  it("of both, Kimi Code's counts", async () => {
    await kimiCodeLogin(home, simulator, 'ada');
    await kimiCliLogin(home, simulator, 'ben');
    await use();
    expect(await home.logins()).toMatchObject({ ada: { kind: 'kimi-code' } });
  });

  it('without one it says what to do', async () => {
    const { code, stderr } = await use();
    expect(code).toBe(1);
    expect(stderr).toBe(
      'kmi: Neither Kimi Code nor kimi-cli is logged in on this machine.\n     Log in there first: `kimi login`. Or let kmi log in by itself: `kmi login`.\n',
    );
    expect(await home.logins()).toEqual({});
  });

  it('one that is over is refused, with the way out', async () => {
    await kimiCliLogin(home, simulator, 'ben', { endsIn: -5 });
    const cli = await use();
    expect(cli).toMatchObject({ code: 1, stderr: expect.stringContaining('The login of kimi-cli on this machine has expired.') });
    const slot = await kimiCodeLogin(home, simulator, 'ada');
    await writeFile(slot.file, JSON.stringify({ access_token: '', refresh_token: '', expires_at: 0, expires_in: 0 }));
    const { code, stderr } = await use(['--json']);
    expect(code).toBe(1);
    expect(stderr).toContain(
      'The login of Kimi Code on this machine has expired.\n     Log in again in Kimi Code: `kimi login`.',
    );
    expect(await home.logins()).toEqual({});
  });

  it('a login that is here already is found again, also under a new label', async () => {
    await kimiCodeLogin(home, simulator, 'ada');
    await use();
    const { ada } = await home.logins();
    await use(['--label', 'shared']);
    const logins = await home.logins();
    expect(Object.keys(logins)).toEqual(['shared']);
    expect(logins.shared?.id).toBe(ada?.id);
  });
});

describe('kmi logout', () => {
  const logout = (label: string, args: readonly string[] = ['-y']) => home.kmi(['logout', label, ...args]);

  it('deletes the tokens of an own login, and its state with its label', async () => {
    await home.logIn('ada');
    await home.addKey({ label: 'work' });
    const { ada } = await home.logins();
    const state = join(home.stateDir, 'state.json');
    await writeFile(
      state,
      JSON.stringify({ schema_version: 1, keys: { ada: { request_count: 7 }, work: { request_count: 3 } } }),
    );
    const { code, stdout, stderr } = await logout('Ada');
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'Logged out ada. Its tokens are deleted.\n', stderr: '' });
    expect(await home.logins()).toEqual({});
    await expect(stat(join(home.stateDir, 'logins', `${ada?.id}.json`))).rejects.toThrow('ENOENT');
    const { keys } = JSON.parse((await home.kmi(['health', '--json'])).stdout);
    expect(
      keys.map(({ label, counters }: { label: string; counters: { requests: number } }) => [label, counters.requests]),
    ).toEqual([['work', 3]]);
    await home.logIn('ada');
    const again = JSON.parse((await home.kmi(['health', '--json'])).stdout).keys;
    expect(again.find(({ label }: { label: string }) => label === 'ada').counters.requests).toBe(0);
  });

  it("forgets where Kimi Code's login is, and leaves its file", async () => {
    const slot = await kimiCodeLogin(home, simulator, 'ada');
    const before = await slot.text();
    await use();
    const { code, stdout, stderr } = await logout('ada');
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'Logged out ada. Kimi Code stays logged in.\n' });
    expect(stderr).toContain('That was the last account; `kmi login` adds another.');
    expect(await slot.text()).toBe(before);
    expect(await home.logins()).toEqual({});
  });

  it('asks, and without a terminal takes -y only', async () => {
    await home.logIn('ada');
    const { code, stderr } = await logout('ada', []);
    expect(code).toBe(2);
    expect(stderr).toContain('Log out ada (ada@example.com)? Its tokens are deleted. There is no terminal to ask on');
    expect(Object.keys(await home.logins())).toEqual(['ada']);
  });

  it('is not for API keys, and names what is', async () => {
    await home.addKey({ label: 'work' });
    expect(await logout('work')).toMatchObject({
      code: 1,
      stderr: 'kmi: work is an API key, not a login.\n     `kmi keys remove work` removes it.\n',
    });
    expect(await logout('none')).toMatchObject({ code: 1, stderr: expect.stringContaining('There is no key called none.') });
  });

  it('a login whose client has logged out can be given up too', async () => {
    const slot = await kimiCodeLogin(home, simulator, 'ada');
    await use();
    await rm(slot.file);
    expect(await logout('ada')).toMatchObject({ code: 0 });
    expect(await home.logins()).toEqual({});
  });
});

it('a folder that is no home of Kimi Code is no login', async () => {
  await mkdir(join(home.root, '.kimi-code', 'credentials'), { recursive: true });
  expect(await use()).toMatchObject({ code: 1, stderr: expect.stringContaining('Neither Kimi Code nor kimi-cli') });
});
