import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hashAccountId } from '../../src/accounts/fetch-account.ts';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { cleanUp } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { kill } from './daemon-home.ts';
import { confirm, type LoginHome, loginHome, loginSimulator } from './login-home.ts';

let simulator: Simulator;
let home: LoginHome;

beforeAll(async () => {
  simulator = await loginSimulator(['ada', 'ben']);
});

beforeEach(async () => {
  home = await loginHome(simulator);
  simulator.oauth.heal();
  for (const code of simulator.oauth.pending) simulator.oauth.expire(code);
  for (const name of ['ada', 'ben']) simulator.account(name).heal();
});

const accountId = (name: string) => hashAccountId(`user-${name}`);
const list = async () => JSON.parse((await home.kmi(['keys', 'list', '--json'])).stdout).keys;
const events = (stdout: string) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('kmi login', () => {
  it('shows address and code at once, and stores the account that is let in, under its name', async () => {
    const running = await home.start(['login']);
    const code = await eventually(() => simulator.oauth.pending[0]);
    const [line] = await running.waitForOutput(/^Open .*\n/m);
    expect(line).toMatch(
      new RegExp(
        `^Open ${simulator.origin}/device\\?user_code=${code} and confirm the code ${code}\\. It ends in 15 min \\(\\d\\d:\\d\\d\\)\\.$`,
        'm',
      ),
    );
    expect(await home.logins()).toEqual({});
    simulator.oauth.approve(code, 'ada');
    expect(await running.ended).toMatchObject({ code: 0 });
    expect(running.stdout()).toMatch(
      /^Logged in as ada \(ada@example\.com\): 5h limit \d+ % left.*\. A running proxy uses it within a second\.\n$/,
    );
    expect(running.stderr()).toContain('kmi is in dry-run and sends nothing yet: `kmi init --live` goes live.');
    expect(running.stderr()).toContain('`kmi up` starts the proxy and says how to use it.');
    const { ada } = await home.logins();
    expect(ada).toMatchObject({
      kind: 'own',
      region: 'mainland-cn',
      account: accountId('ada'),
      email: 'ada@example.com',
      file: null,
    });
    const mode = async (...path: string[]) => (await stat(join(home.stateDir, 'logins', ...path))).mode & 0o777;
    expect([await mode(), await mode(`${ada?.id}.json`)]).toEqual([0o700, 0o600]);
    expect(await list()).toMatchObject([
      {
        label: 'ada',
        kind: 'login',
        login: { kind: 'own' },
        email: 'ada@example.com',
        account: accountId('ada'),
        state: 'ready',
      },
    ]);
  });

  it('says who it is by its own name', async () => {
    await home.logIn('ada');
    const { headers } = simulator.oauth.received.at(-1) as (typeof simulator.oauth.received)[number];
    expect(headers['user-agent']).toMatch(/^kmi\/\d/);
    expect(headers['x-msh-platform']).toBe('kmi');
  });

  it('with --json prints a line of JSON for each event, and nothing else', async () => {
    const { code, stdout, stderr } = await home.logIn('ada', ['--json', '--label', 'work', '--weight', '200', '--priority', '3']);
    expect(code).toBe(0);
    const [asked, done, ...more] = events(stdout);
    expect(more).toEqual([]);
    expect(asked).toEqual({
      event: 'code',
      user_code: expect.stringMatching(/^[A-Z]{4}-[A-Z]{4}$/),
      verification_uri: `${simulator.origin}/device`,
      verification_uri_complete: `${simulator.origin}/device?user_code=${asked.user_code}`,
      expires_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    });
    expect(done).toEqual({
      event: 'done',
      label: 'work',
      kind: 'own',
      replaced: false,
      account: accountId('ada'),
      email: 'ada@example.com',
      base_url: simulator.baseUrl,
      disabled: false,
      works: true,
      detail: expect.stringContaining('% left'),
      same_account: [],
    });
    expect(stderr).toBe('This is dry-run, but the login is a real one.\n');
    expect((await home.logins()).work).toMatchObject({ weight: 200, priority: 3 });
  });

  it('the same account again takes the place of its login, which keeps its label, weight and file', async () => {
    await home.logIn('ada', ['--label', 'work', '--weight', '200']);
    const { work: before } = await home.logins();
    const again = await home.logIn('ada');
    expect(again.stdout).toMatch(/^Logged in again as work \(ada@example\.com\)/);
    const { work: after, ...others } = await home.logins();
    expect(others).toEqual({});
    expect(after).toMatchObject({ id: before?.id, weight: 200 });
    expect(after?.tokens?.refresh_token).not.toBe(before?.tokens?.refresh_token);
    // Its label can change with it.
    await home.logIn('ada', ['--label', 'play']);
    expect(Object.keys(await home.logins())).toEqual(['play']);
  });

  it('an account that became known only after its login is the same member, whoever learned it and when', async () => {
    simulator.account('ada').respondWith({ status: 500, chunks: ['{}'] }, { on: ['me'] });
    await home.logIn('ada', ['--weight', '200']);
    const { login: before } = await home.logins();
    expect(before?.account).toBeNull();
    simulator.account('ada').heal();
    // A proxy writes down what it learned while the person confirms the next code.
    const running = await home.start(['login']);
    const code = await eventually(() => simulator.oauth.pending[0]);
    const known = { account_id: accountId('ada'), account_checked_at: new Date().toISOString(), request_count: 7 };
    await writeFile(join(home.stateDir, 'state.json'), JSON.stringify({ schema_version: 1, keys: { login: known } }));
    simulator.oauth.approve(code, 'ada');
    expect(await running.ended).toMatchObject({ code: 0 });
    expect(running.stdout()).toMatch(/^Logged in again as ada \(ada@example\.com\)/);
    const { ada, ...others } = await home.logins();
    expect(others).toEqual({});
    expect(ada).toMatchObject({ id: before?.id, weight: 200, account: accountId('ada') });
    const { keys } = JSON.parse((await home.kmi(['health', '--json'])).stdout);
    expect(keys).toMatchObject([{ label: 'ada', counters: { requests: 7 } }]);
  });

  it('several accounts are several members, and a second label of a name has a number', async () => {
    await home.logIn('ada');
    await home.addKey({ label: 'ben', key: 'sk-kimi-ben-0123456789abcdef' });
    const { stdout, stderr } = await home.logIn('ben');
    expect(stdout).toMatch(/^Logged in as ben-2 /);
    expect((await list()).map(({ label, kind }: { label: string; kind: string }) => `${label} ${kind}`)).toEqual([
      'ada login',
      'ben key',
      'ben-2 login',
    ]);
    expect(stderr).not.toContain('one account');
  });

  it('that an account is here by its key already is said', async () => {
    await home.addKey({ label: 'work', key: 'sk-kimi-ada-0123456789abcdef' });
    const known = { account_id: accountId('ada'), account_checked_at: new Date().toISOString() };
    await mkdir(home.stateDir);
    await writeFile(join(home.stateDir, 'state.json'), JSON.stringify({ schema_version: 1, keys: { work: known } }));
    const { stderr } = await home.logIn('ada');
    expect(stderr).toContain('Keys of one account: ada, work.');
  });

  it('beside a simulation it says that the login is not in use there', async () => {
    const simulation = await home.kmi(['proxy', '--simulate-without-keys', '--json']);
    cleanUp(async () => kill(JSON.parse(simulation.stdout).pid));
    const { code, stdout } = await home.logIn('ada');
    expect(code).toBe(0);
    expect(stdout).toContain('The running proxy is a simulation with made-up accounts and uses none of these keys.');
    expect(Object.keys(await home.logins())).toEqual(['ada']);
  });

  it('its help says what it prints and what becomes of a shared login', async () => {
    const { stdout } = await home.kmi(['login', '--help']);
    const help = stdout.replace(/\s+/g, ' ');
    expect(help).toContain('--json events as JSON lines');
    expect(help).toContain("kmi never copies or deletes it, and renews it only under Kimi Code's own lock.");
    expect(help).not.toContain('one JSON value on standard output');
  });

  it('a label that an API key has is refused before anybody is asked to log in', async () => {
    await home.addKey({ label: 'work' });
    const begun = simulator.oauth.received.length;
    const { code, stderr } = await home.kmi(['login', '--label', 'WORK']);
    expect(code).toBe(1);
    expect(stderr).toContain('The label work belongs to an API key, so nothing was stored.');
    expect(simulator.oauth.received.length).toBe(begun);
  });

  it('a label that the login of another account has is refused, and that login stays', async () => {
    await home.logIn('ada', ['--label', 'work']);
    const before = await home.logins();
    const { code, stderr } = await home.logIn('ben', ['--label', 'work']);
    expect(code).toBe(1);
    expect(stderr).toContain('The login work is of another account than ben@example.com, so nothing was stored.');
    expect(await home.logins()).toEqual(before);
  });

  it.each([
    [['--region', 'us'], /--region us: takes mainland-cn \(kimi\.com\) or global \(kimi\.ai\)\./],
    [['--label', 'sk-kimi-0123456789abcdef'], /looks like a key/],
    [['--label', 'a b'], /A label is made of/],
    [['--weight', '0'], /--weight takes a whole number from 1 to 1000/],
    [['--priority', 'high'], /--priority takes a whole number/],
    [['--existing', '--region', 'global'], /exclude each other/],
  ])('%j is a usage error', async (args, words) => {
    const { code, stderr } = await home.kmi(['login', ...args]);
    expect(code).toBe(2);
    expect(stderr).toMatch(words);
  });

  it('a host that the allowlist does not name is refused before anybody logs in', async () => {
    const settings = { KMI_UPSTREAM_ALLOWLIST: 'api.kimi.com', KMI_UPSTREAM_BASE_URL: 'https://api.kimi.com/coding/v1' };
    const { code, stderr } = await home.kmi(['login', '--region', 'global'], settings);
    expect(code).toBe(2);
    expect(stderr).toContain('The API of this login is api.kimi.ai, which KMI_UPSTREAM_ALLOWLIST does not list.');
  });
});

describe('a login that comes to nothing', () => {
  it('when the person says no', async () => {
    const running = await home.start(['login', '--json']);
    simulator.oauth.deny(await eventually(() => simulator.oauth.pending[0]));
    expect(await running.ended).toMatchObject({ code: 1 });
    const [, error] = events(running.stdout());
    expect(error).toMatchObject({ event: 'error', code: 'login_failed', message: 'The login was denied.' });
    expect(running.stderr()).toContain('kmi: The login was denied.');
    expect(await home.logins()).toEqual({});
  });

  it('when the code expires a new one is shown, and serves', async () => {
    const running = await home.start(['login']);
    const first = await eventually(() => simulator.oauth.pending[0]);
    simulator.oauth.expire(first);
    await running.waitForOutput(/The code has expired\. Here is a new one\.\nOpen /);
    const second = await confirm(simulator, 'ada');
    expect(second).not.toBe(first);
    expect(await running.ended).toMatchObject({ code: 0 });
    expect(running.stderr()).toContain(`confirm the code ${second}.`);
  });

  it.each([
    ['SIGINT', []],
    ['SIGTERM', ['--json']],
  ] as const)('%s leaves nothing behind, and ends with 130 %j', async (signal, args) => {
    const running = await home.start(['login', ...args]);
    await running.waitForOutput(/user_code/);
    expect(await running.stop(signal)).toEqual({ code: 130, signal: null });
    if (args.length === 0) expect(running.stderr()).toContain('Interrupted. Nothing was stored.\n');
    else expect(events(running.stdout()).at(-1)).toMatchObject({ event: 'error', code: 'interrupted' });
    expect(await home.logins()).toEqual({});
  });

  it('when the server fails, with what it said', async () => {
    simulator.oauth.fail({ status: 503 }, { on: ['begin'] });
    const { code, stderr } = await home.kmi(['login']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/kmi: .*answered 503: the simulator was told to fail\./);
  });

  it('when the API does not know the token', async () => {
    simulator.account('ada').respondWith({ status: 401, chunks: ['{"error":{"message":"no"}}'] }, { on: ['me'] });
    const { code, stderr } = await home.logIn('ada');
    expect(code).toBe(1);
    expect(stderr).toContain('refuses it (HTTP 401).');
    expect(stderr).toContain('try the other --region');
    expect(await home.logins()).toEqual({});
  });

  it('but whose it is may stay unknown when the API is away for a while', async () => {
    simulator.account('ada').respondWith({ status: 500, chunks: ['{}'] }, { on: ['me'] });
    const { code, stdout } = await home.logIn('ada');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Logged in as login: /);
    expect((await home.logins()).login).toMatchObject({ account: null, email: null });
  });
});
