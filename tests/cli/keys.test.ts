import { execFileSync } from 'node:child_process';
import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { KEY_STATUSES } from '../../src/core/keys/key-status.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { cleanUp } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { type TemporaryHome, temporaryHome } from '../support/home.ts';
import { runKmi, startKmi } from '../support/spawn.ts';
import { openTerminal } from '../support/tmux.ts';

const keyOf = (account: string) => `sk-kimi-${account}-0123456789abcdef`;

let simulator: Simulator;
let home: TemporaryHome;
let env: Record<string, string>;

beforeAll(async () => {
  simulator = await startSimulator({ accounts: ['ada', 'ben', 'cleo'].map((name) => ({ name, keys: [keyOf(name)] })) });
  cleanUp(() => simulator.close());
});

beforeEach(async () => {
  home = await temporaryHome();
  env = { ...home.env, KMI_UPSTREAM_BASE_URL: simulator.baseUrl };
  for (const name of ['ada', 'ben', 'cleo']) simulator.account(name).heal();
});

const keys = (args: readonly string[], stdin?: string) =>
  runKmi(['keys', ...args], { env, cwd: home.root, ...(stdin === undefined ? {} : { stdin }) });
const fileText = (name: string) => readFile(join(home.authsDir, name), 'utf8');
const state = async () => JSON.parse(await readFile(join(home.stateDir, 'state.json'), 'utf8'));

const Time = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
const List = z.strictObject({
  auths_dir: z.string(),
  accounts: z.strictObject({
    total: z.int(),
    unknown_keys: z.int(),
    shared: z.array(z.strictObject({ account: z.string(), keys: z.array(z.string()) })),
  }),
  keys: z.array(
    z.strictObject({
      label: z.string(),
      kind: z.enum(['key', 'login']),
      login: z.null(),
      key_hash: z.string().regex(/^[0-9a-f]{12}$/),
      email: z.string().nullable(),
      account: z.string().nullable(),
      state: z.enum(KEY_STATUSES),
      reason: z.string().nullable(),
      until: Time.nullable(),
      active: z.boolean(),
      disabled: z.boolean(),
      priority: z.int(),
      weight: z.int().min(1).max(1000),
      base_url: z.string(),
      source: z.string(),
    }),
  ),
  skipped_auth_files: z.array(z.strictObject({ file: z.string(), reason: z.string(), detail: z.string() })),
  not_used: z.array(z.strictObject({ file: z.string(), detail: z.string() })),
});

describe('kmi keys list', () => {
  it('shows every key and every file that gives none, and never a key', async () => {
    await home.addKey({ label: 'ada', key: keyOf('ada'), email: 'ada@example.test', priority: 5 });
    await home.addKey({ label: 'ben', key: keyOf('ben'), disabled: true });
    await writeFile(join(home.authsDir, 'empty.env'), 'A=1\n');
    for (const args of [[], ['list']]) {
      const { code, stdout, stderr } = await keys(args);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(/^> ada +ready +sk-k\*\*\*cdef +5 +ada@example\.test +ada\.env$/m);
      expect(stdout).toMatch(/^ {2}ben +disabled .*\n {4}disabled in its auth file$/m);
      expect(stdout).toContain('  empty.env  The file sets no KMI_API_KEY.');
      expect(stdout).not.toContain('0123456789');
    }
  });

  it('shows weights where one was given, and always as data', async () => {
    await home.addKey({ label: 'ada', key: keyOf('ada'), weight: 250 });
    await home.addKey({ label: 'ben', key: keyOf('ben') });
    const { stdout } = await keys([]);
    expect(stdout).toMatch(/KEY +STATUS +API KEY +WEIGHT +FILE/);
    expect(stdout).toMatch(/^> ada .* 250 +ada\.env$/m);
    expect(stdout).toMatch(/^ {2}ben .* 100 +ben\.env$/m);
    const data = JSON.parse((await keys(['list', '--json'])).stdout);
    expect(data.keys.map(({ weight }: { weight: number }) => weight)).toEqual([250, 100]);
  });

  it('`kmi keys --json` is `kmi keys list --json`', async () => {
    await home.addKey({ label: 'ada', key: keyOf('ada') });
    const { code, stdout } = await keys(['--json']);
    expect(code).toBe(0);
    expect(stdout).toBe((await keys(['list', '--json'])).stdout);
    expect(JSON.parse(stdout).keys).toHaveLength(1);
  });

  it('--json is one value of the documented shape, without any part of a key', async () => {
    await home.addKey({ label: 'ada', key: keyOf('ada') });
    await home.addKey({ label: 'ben', key: keyOf('ben') });
    await writeFile(join(home.authsDir, 'copy.env'), `KMI_API_KEY=${keyOf('ben')}\n`);
    await mkdir(home.stateDir);
    const until = '2099-01-01T00:00:00Z';
    await writeFile(
      join(home.stateDir, 'state.json'),
      JSON.stringify({ schema_version: 1, keys: { ada: { exhausted_until: until } } }),
    );
    const { code, stdout, stderr } = await keys(['list', '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const list = List.parse(JSON.parse(stdout));
    expect(list.keys).toMatchObject([
      { label: 'ada', state: 'cooldown', reason: 'quota', until, active: true },
      { label: 'ben', state: 'ready', reason: null },
    ]);
    expect(list.skipped_auth_files).toMatchObject([{ reason: 'duplicate_key' }]);
    expect(stdout).not.toMatch(/sk-/);
  });

  it('a folder that is empty or missing is said, and ends with 1 as `kmi health` does', async () => {
    for (const args of [[], ['list']]) {
      expect(await keys(args)).toMatchObject({
        code: 1,
        stdout: expect.stringContaining('There are no keys in _auths, and no logins.'),
      });
    }
    const missing = await runKmi(['keys', 'list', '--json'], { env: { ...env, KMI_AUTHS_DIR: join(home.root, 'none') } });
    expect(missing.code).toBe(1);
    expect(JSON.parse(missing.stdout).keys).toEqual([]);
  });
});

describe('kmi keys add', () => {
  it('reads the key from standard input, tests it, and writes a file of its own', async () => {
    const added = await keys(
      ['add', 'work', '--email', 'a@b.test', '--priority', '3', '--base-url', simulator.baseUrl],
      `\n${keyOf('ada')}\nmore\n`,
    );
    expect(added.code).toBe(0);
    expect(added.stdout).toBe('Added work (_auths/work.env). A running proxy uses it within a second.\n');
    expect(added.stderr).toMatch(/^Only the first line of the input was used[^\n]*\nThe key works: 5h limit \d+ % left/);
    expect(await fileText('work.env')).toBe(
      `KMI_API_KEY=${keyOf('ada')}\nKMI_KEY_LABEL=work\nKMI_KEY_PRIORITY=3\nKMI_UPSTREAM_BASE_URL=${simulator.baseUrl}\nKMI_ACCOUNT_EMAIL=a@b.test\n`,
    );
  });

  it('writes the weight it is given', async () => {
    expect((await keys(['add', 'big', '--weight', '500', '--no-test'], keyOf('ada'))).code).toBe(0);
    expect(await fileText('big.env')).toContain('\nKMI_KEY_WEIGHT=500\n');
  });

  it('suggests a label nobody has', async () => {
    await keys(['add'], keyOf('ada'));
    await keys(['add'], `KMI_API_KEY="${keyOf('ben')}"`);
    expect((await readdir(home.authsDir)).toSorted()).toEqual(['key-2.env', 'main.env']);
  });

  it.each([
    ['refused by the upstream', ['x'], 'sk-kimi-wrong-0123', 1, /refuses the key.*401.*\n.*kimi\.com\/code/],
    ['of another platform', ['x'], 'sk-other', 1, /begin with sk-kimi-/],
    ['here already', ['x'], keyOf('ben'), 1, /here already: ben \(disabled; `kmi keys enable`/],
    ['with a label that is taken', ['BEN'], keyOf('ada'), 1, /There is a key called BEN already/],
    ['with blanks inside', ['x'], 'sk-kimi a', 2, /blanks or characters/],
    ['that is empty', ['x'], '\n\n', 1, /input ended/],
    ['with an unusable label', ['../x'], keyOf('ada'), 2, /label is made of letters/],
    ['with an unusable base URL', ['x', '--base-url', 'http://up.test'], keyOf('ada'), 2, /--base-url/],
    ['with an unusable priority', ['x', '--priority', 'high'], keyOf('ada'), 2, /whole number/],
    ['with an unusable weight', ['x', '--weight', '1001'], keyOf('ada'), 2, /--weight takes a whole number from 1 to 1000/],
    ['with an unusable email', ['x', '--email', 'me'], keyOf('ada'), 2, /--email/],
    ['as an argument', [keyOf('ada')], '', 2, /looks like a key.*\n.*shell's history/],
    ['as an option', ['--key', keyOf('ada')], '', 2, /never given as an argument.*\n.*shell's history/],
  ])('a key %s is not added', async (_case, args, stdin, code, words) => {
    await home.addKey({ label: 'ben', key: keyOf('ben'), disabled: true });
    const refused = await keys(['add', ...args], stdin);
    expect(refused).toMatchObject({ code, stdout: '' });
    expect(refused.stderr).toMatch(words);
    expect(refused.stderr).not.toContain('0123456789');
    expect(await readdir(home.authsDir)).toEqual(['ben.env']);
  });

  it('an upstream that does not answer stops a script, unless --no-test', async () => {
    env.KMI_UPSTREAM_BASE_URL = 'http://127.0.0.1:9/v1';
    const refused = await keys(['add', 'x'], keyOf('ada'));
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/no\s+answer:\s+127\.0\.0\.1\s+could\s+not\s+be\s+reached:[\s\S]*--no-test/),
    });
    expect(await keys(['add', 'x', '--no-test'], keyOf('ada'))).toMatchObject({ code: 0 });
  });

  it('a label of a removed key starts anew: its block is forgotten', async () => {
    await mkdir(home.stateDir);
    await writeFile(
      join(home.stateDir, 'state.json'),
      JSON.stringify({ keys: { work: { error_401: 1, blocked_reason: 'auth' } } }),
    );
    await keys(['add', 'work'], keyOf('ada'));
    expect((await state()).keys.work).toMatchObject({ error_401: 0, blocked_reason: null });
  });
});

describe('kmi keys remove', () => {
  it('sets the file aside after a yes, and nothing happens after anything else', async () => {
    await home.addKey({ label: 'ada', key: keyOf('ada') });
    const terminal = await openTerminal({ env, cwd: home.root });
    for (const key of ['Enter', 'C-c', 'C-d']) {
      await terminal.typeAfresh('kmi keys remove ada');
      await terminal.waitFor(/Remove ada \(_auths\/ada\.env\)\? \[y\/N\]/);
      await terminal.press(key);
      await terminal.waitFor(/Nothing was removed\.\n+ended 1/);
    }
    await terminal.typeAfresh('kmi keys remove ada');
    await terminal.waitFor(/\[y\/N\]/);
    await terminal.type('yes');
    await terminal.waitFor(/Removed ada\. Its file is now(.|\n)*That was the last key(.|\n)*ended 0/);
    const [name] = await readdir(home.authsDir);
    expect(await terminal.screen()).toContain(`  rm _auths/${name}`);
    expect(name).toMatch(/^ada\.env\.removed-\d{8}T\d{6}Z$/);
    expect(await fileText(name as string)).toContain(keyOf('ada'));
  });

  it('asks nobody when nobody is there', async () => {
    await home.addKey({ label: 'ada', key: keyOf('ada') });
    expect(await keys(['remove', 'ada'], 'y\n')).toMatchObject({ code: 2, stderr: expect.stringContaining('-y') });
    expect(await readdir(home.authsDir)).toEqual(['ada.env']);
  });

  it('--purge deletes, several at once, and state is forgotten', async () => {
    for (const name of ['ada', 'ben', 'cleo']) await home.addKey({ label: name, key: keyOf(name) });
    await mkdir(home.stateDir);
    await writeFile(join(home.stateDir, 'state.json'), JSON.stringify({ keys: { ada: { request_count: 9, error_401: 1 } } }));
    expect(await keys(['remove', 'ada', 'BEN', '-y', '--purge'])).toMatchObject({ code: 0, stderr: '' });
    expect(await readdir(home.authsDir)).toEqual(['cleo.env']);
    expect((await state()).keys.ada).toMatchObject({ request_count: 0, error_401: 0 });
  });

  it('without --purge says that the key is still on the disk, and which command deletes it', async () => {
    for (const name of ['ada', 'ben']) await home.addKey({ label: name, key: keyOf(name) });
    const { stderr } = await keys(['remove', 'ada', 'ben', '-y']);
    expect(stderr.replaceAll('\n', ' ')).toContain(
      'still hold the keys. `kmi keys remove --purge` deletes at once; to delete them now:',
    );
    const command = /^ {2}(rm .+)$/m.exec(stderr)?.[1] as string;
    execFileSync('/bin/sh', ['-c', command], { cwd: home.root });
    expect(await readdir(home.authsDir)).toEqual([]);
  });

  it('tells when another file still holds the same key', async () => {
    await home.addKey({ label: 'ada', key: keyOf('ada') });
    await home.addKey({ label: 'twin', key: keyOf('ada') });
    const { code, stderr } = await keys(['remove', 'ada', '-y']);
    expect(code).toBe(1);
    expect(stderr).toContain('Still in use: _auths/twin.env holds the same key, now as twin.');
  });

  it('an unknown label names the known ones; a key is not repeated', async () => {
    await home.addKey({ label: 'ada', key: keyOf('ada') });
    expect(await keys(['remove', 'bob', '-y'])).toMatchObject({
      code: 1,
      stderr: 'kmi: There is no key called bob.\n     Labels: ada.\n',
    });
    const { code, stderr } = await keys(['remove', keyOf('ada'), '-y']);
    expect(code).toBe(2);
    expect(stderr).not.toContain('0123456789');
  });
});

describe('kmi keys disable, enable and rename', () => {
  const ODD = `# mine\r\n\r\nexport KMI_API_KEY = '${keyOf('ada')}' # note\r\nKMI_KEY_LABEL: ada\r\nEMAIL=a@b.test`;

  it('switch off and on and leave every other byte', async () => {
    await writeFile(join(home.authsDir, 'odd.env'), ODD);
    expect(await keys(['disable', 'ada'])).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('No key is enabled now'),
    });
    expect(await fileText('odd.env')).toBe(`${ODD}\r\nKMI_KEY_DISABLED=1\r\n`);
    expect((await keys(['disable', 'ada'])).stdout).toContain('disabled already');
    expect(await keys(['enable', 'ada'])).toMatchObject({ code: 0, stderr: '' });
    expect(await fileText('odd.env')).toBe(`${ODD}\r\nKMI_KEY_DISABLED=0\r\n`);
    expect((await keys(['enable', 'ada'])).stdout).toContain('enabled already');
  });

  it('a renamed key keeps its counters, its block and its place as the active key', async () => {
    await writeFile(join(home.authsDir, 'odd.env'), ODD);
    await home.addKey({ label: 'ben', key: keyOf('ben') });
    await mkdir(home.stateDir);
    const stored = { request_count: 7, error_429: 2, exhausted_until: '2099-01-01T00:00:00Z', exhausted_reason: 'rate' };
    await writeFile(
      join(home.stateDir, 'state.json'),
      JSON.stringify({ active_key: 'ada', active_index: 0, keys: { ada: stored } }),
    );
    const renamed = await keys(['rename', 'ada', 'zoe']);
    expect(renamed).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('Renamed ada to zoe.') });
    expect(await fileText('odd.env')).toBe(ODD.replace('LABEL: ada', 'LABEL: zoe'));
    expect(await state()).toMatchObject({ active_key: 'zoe', active_index: 1 });
    expect((await state()).keys).toMatchObject({ zoe: stored, ada: { request_count: 0, error_429: 0, exhausted_until: null } });
  });

  it('when the first of two keys with one label is renamed, the second gets the label, and is told', async () => {
    await writeFile(join(home.authsDir, 'a.env'), `KMI_API_KEY=${keyOf('ada')}\nKMI_KEY_LABEL=work\n`);
    await writeFile(join(home.authsDir, 'b.env'), `KMI_API_KEY=${keyOf('ben')}\nKMI_KEY_LABEL=work\n`);
    await mkdir(home.stateDir);
    await writeFile(
      join(home.stateDir, 'state.json'),
      JSON.stringify({ keys: { work: { request_count: 1 }, 'work-2': { request_count: 2 } } }),
    );
    const { code, stderr } = await keys(['rename', 'work', 'main']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'Note: the key called work-2 is now work, as its auth file has it.\n' });
    expect((await state()).keys).toMatchObject({ main: { request_count: 1 }, work: { request_count: 2 } });
  });

  it.each([
    ['disable', ['disable', 'team']],
    ['rename', ['rename', 'team', 'other']],
  ])('%s says what to do about a key in a .toml file', async (_word, args) => {
    const text = `[providers."managed:kimi-code"]\napi_key = "${keyOf('ada')}"\n`;
    await writeFile(join(home.authsDir, 'team.toml'), text);
    const { code, stderr } = await keys(args);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /team\.toml is a \.toml file, and that format has no place for it\.\n.*`kmi keys remove team`, then `kmi keys add`/,
    );
    expect(await fileText('team.toml')).toBe(text);
  });

  it('a label that is taken or unusable is refused', async () => {
    await home.addKey({ label: 'ada', key: keyOf('ada') });
    await home.addKey({ label: 'ben', key: keyOf('ben') });
    expect(await keys(['rename', 'ada', 'Ben'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('another key called ben'),
    });
    expect(await keys(['rename', 'ada', 'a b'])).toMatchObject({ code: 2 });
    expect(await keys(['rename', 'ada', keyOf('x')])).toMatchObject({
      code: 2,
      stderr: expect.not.stringContaining('0123456789'),
    });
    expect(await keys(['rename', 'ada', 'ada'])).toMatchObject({ code: 0, stdout: 'It is called ada already.\n' });
    expect(await keys(['rename', 'ada', 'Ada'])).toMatchObject({ code: 0 });
  });

  it('a running proxy follows all of it', async () => {
    await home.addKey({ label: 'ada', key: keyOf('ada') });
    await home.addKey({ label: 'ben', key: keyOf('ben') });
    env.KMI_DRY_RUN = '0';
    env.KMI_USAGE_CACHE_SECONDS = '0';
    const proxy = await startKmi(['proxy', '--foreground'], { env, cwd: home.root });
    const [, url] = await proxy.waitForOutput(/serves (\S+)/);
    const served = async () => {
      const body = JSON.stringify({ model: 'kimi-for-coding', messages: [{ role: 'user', content: 'hello' }] });
      await (await fetch(`${url}/chat/completions`, { method: 'POST', body })).text();
      return simulator.received.at(-1)?.account;
    };
    const becomes = (account: string) => eventually(async () => expect(await served()).toBe(account));
    await becomes('ada');
    await keys(['disable', 'ada']);
    await becomes('ben');
    await keys(['add', 'cleo'], keyOf('cleo'));
    await keys(['remove', 'ben', '-y']);
    await becomes('cleo');
    await keys(['enable', 'ada']);
    await keys(['disable', 'cleo']);
    await becomes('ada');
    await proxy.stop();
  });
});

describe('kmi keys test', () => {
  it('says in words what came back, and fails when one fails', async () => {
    await home.addKey({ label: 'ada', key: keyOf('ada') });
    await home.addKey({ label: 'ben', key: keyOf('ben'), disabled: true });
    await home.addKey({ label: 'old', key: 'sk-kimi-old-0123456789abcdef' });
    const all = await keys(['test']);
    expect(all.code).toBe(1);
    expect(all.stderr).toBe('Sending the upstream one real call per key, although this is dry-run.\n');
    expect(all.stdout).toMatch(/^ada +works +5h limit \d+ % left/m);
    expect(all.stdout).toMatch(/^ben +works +.*\n? *.*disabled$/m);
    expect(all.stdout).toMatch(/^old +refused +HTTP 401: /m);
    expect(all.stdout).toContain('2 of 3 keys work.');
    const before = simulator.received.length;
    expect(await keys(['test', 'ada'])).toMatchObject({ code: 0, stdout: expect.stringContaining('The key works.') });
    expect(simulator.received.slice(before).map(({ path }) => path)).toEqual([expect.stringMatching(/\/usages$/)]);
  });

  it('--json tells it to scripts', async () => {
    await home.addKey({ label: 'ada', key: keyOf('ada') });
    await home.addKey({ label: 'far', key: keyOf('far'), baseUrl: 'http://127.0.0.1:9/v1' });
    const { code, stdout, stderr } = await keys(['test', '--json']);
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    const Row = z.strictObject({
      label: z.string(),
      key_hash: z.string().regex(/^[0-9a-f]{12}$/),
      disabled: z.boolean(),
      result: z.enum(['works', 'refused', 'unclear']),
      detail: z.string(),
      http_status: z.int().nullable(),
    });
    const report = z.strictObject({ ok: z.boolean(), keys: z.array(Row) }).parse(JSON.parse(stdout));
    expect(report).toMatchObject({
      ok: false,
      keys: [
        { label: 'ada', result: 'works', http_status: 200 },
        {
          label: 'far',
          result: 'unclear',
          detail: expect.stringMatching(/^no answer: 127\.0\.0\.1 could not be reached: connection refused \(ECONNREFUSED\)\. /),
          http_status: null,
        },
      ],
    });
  });

  it('a key that works but is blocked is told', async () => {
    await home.addKey({ label: 'ada', key: keyOf('ada') });
    await mkdir(home.stateDir);
    await writeFile(join(home.stateDir, 'state.json'), JSON.stringify({ keys: { ada: { error_401: 1 } } }));
    const { code, stderr } = await keys(['test']);
    expect(code).toBe(0);
    expect(stderr).toContain('Still blocked: ada. `kmi doctor --recheck-keys` unblocks');
  });

  it('a key that works, but whose account was closed, is not sent to a recheck that cannot unblock it', async () => {
    await home.addKey({ label: 'ada', key: keyOf('ada') });
    await mkdir(home.stateDir);
    await writeFile(join(home.stateDir, 'state.json'), JSON.stringify({ keys: { ada: { blocked_reason: 'banned' } } }));
    const { stderr } = await keys(['test']);
    expect(stderr).toContain('Still blocked: ada. Kimi had closed the account;');
    expect(stderr).toContain('--clear-blocklist');
    expect(stderr).not.toContain('--recheck-keys');
  });

  it('without keys it says how to add one', async () => {
    expect(await keys(['test'])).toMatchObject({ code: 1, stderr: expect.stringContaining('`kmi keys add`') });
  });
});

it('a subcommand that does not exist is a usage error, and is not repeated', async () => {
  const { code, stderr } = await keys([keyOf('ada')]);
  expect(code).toBe(2);
  expect(stderr).toContain('That looks like a key.');
  expect(stderr).not.toContain(keyOf('ada'));
});

it('an auth file that cannot be edited safely is left alone', async () => {
  await home.addKey({ label: 'ada', key: keyOf('ada') });
  await appendFile(join(home.authsDir, 'ada.env'), 'KMI_KEY_DISABLED="0\n"\n');
  const before = await fileText('ada.env');
  const { code, stderr } = await keys(['disable', 'ada']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/not safe to edit\.\n.*KMI_KEY_DISABLED=1 in it by hand/);
  expect(await fileText('ada.env')).toBe(before);
});
