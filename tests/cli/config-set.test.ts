import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { cleanUp } from '../support/cleanup.ts';
import { type TemporaryHome, temporaryHome } from '../support/home.ts';
import { runKmi } from '../support/spawn.ts';
import { openTerminal } from '../support/tmux.ts';
import { daemonHome, kill } from './daemon-home.ts';

const SECRET = 'swordfish-of-the-proxy#7';

let home: TemporaryHome;
/** No setting comes from the environment, so that the files decide. */
let env: Record<string, string>;
let folder: string;

beforeEach(async () => {
  home = await temporaryHome();
  env = { HOME: home.root };
  folder = join(home.root, 'project');
  await mkdir(folder);
});

const config = (args: readonly string[], { more = {}, stdin = '' }: { more?: Record<string, string>; stdin?: string } = {}) =>
  runKmi(['config', ...args], { env: { ...env, ...more }, cwd: folder, stdin });
const ofHome = () => readFile(join(home.stateDir, '.env'), 'utf8').catch(() => null);
const ofFolder = () => readFile(join(folder, '.env'), 'utf8').catch(() => null);
const writeHome = async (text: string) => {
  await mkdir(home.stateDir, { recursive: true });
  await writeFile(join(home.stateDir, '.env'), text, { mode: 0o644 });
};

describe('where it is written', () => {
  it('without a file, into a new one in the home that only its owner can read', async () => {
    expect(await config(['set', 'KMI_DRY_RUN', '0'])).toMatchObject({
      code: 0,
      stdout: 'Wrote KMI_DRY_RUN=0 to ~/.kmi/.env.\n',
      stderr: '',
    });
    expect(await ofHome()).toBe('KMI_DRY_RUN=0\n');
    expect((await stat(join(home.stateDir, '.env'))).mode & 0o777).toBe(0o600);
    expect(await config(['get', 'dry-run'])).toMatchObject({ stdout: '0\n' });
  });

  it('one line changes, every other byte stays, and the file is closed to others', async () => {
    await writeHome('# mine\r\nexport KMI_LOCALE = ru # why\r\n\r\nOTHER="a b"\r\n#KMI_DRY_RUN=1\r\n');
    await config(['set', 'KMI_LOCALE', 'en']);
    await config(['set', 'KMI_DRY_RUN', '0']);
    expect(await ofHome()).toBe(
      '# mine\r\nexport KMI_LOCALE = en # why\r\n\r\nOTHER="a b"\r\n#KMI_DRY_RUN=1\r\nKMI_DRY_RUN=0\r\n',
    );
    expect((await stat(join(home.stateDir, '.env'))).mode & 0o777).toBe(0o600);
    await config(['unset', 'KMI_DRY_RUN', 'KMI_LOCALE']);
    expect(await ofHome()).toBe('# mine\r\n\r\nOTHER="a b"\r\n#KMI_DRY_RUN=1\r\n');
  });

  it("into the folder's own file when that is kmi's, else not", async () => {
    await writeFile(join(folder, '.env'), 'DATABASE=x\n');
    await config(['set', 'KMI_DRY_RUN', '0']);
    expect([await ofFolder(), await ofHome()]).toEqual(['DATABASE=x\n', 'KMI_DRY_RUN=0\n']);
    await writeFile(join(folder, '.env'), 'KMI_LOCALE=ru\n');
    expect((await config(['set', 'KMI_DRY_RUN', '1'])).stdout).toBe('Wrote KMI_DRY_RUN=1 to .env.\n');
    expect([await ofFolder(), await ofHome()]).toEqual(['KMI_LOCALE=ru\nKMI_DRY_RUN=1\n', 'KMI_DRY_RUN=0\n']);
  });

  it('--here makes a file of this folder, and says that the home is out of force; the last line out puts it back', async () => {
    await writeHome('KMI_LOCALE=ru\n');
    const here = await config(['set', '--here', 'KMI_DRY_RUN', '0']);
    expect(here).toMatchObject({ code: 0, stdout: 'Wrote KMI_DRY_RUN=0 to .env.\n' });
    expect(here.stderr).toBe('Note: in this folder kmi now uses the settings of .env, not those of ~/.kmi/.env.\n');
    expect([await ofFolder(), await ofHome()]).toEqual(['KMI_DRY_RUN=0\n', 'KMI_LOCALE=ru\n']);
    const back = await config(['unset', 'KMI_DRY_RUN']);
    expect(back.stdout).toBe('Removed KMI_DRY_RUN from .env.\nKMI_DRY_RUN is now 1: the default.\n');
    expect(await config(['get', 'KMI_LOCALE'])).toMatchObject({ stdout: 'ru\n' });
  });

  it('into the file that KMI_ENV_PATH names; --here cannot be followed then', async () => {
    const named = join(home.root, 'named.env');
    await writeFile(named, '');
    const more = { KMI_ENV_PATH: named };
    expect(await config(['set', 'KMI_LOCALE', 'ru'], { more })).toMatchObject({
      code: 0,
      stdout: 'Wrote KMI_LOCALE=ru to ~/named.env.\n',
    });
    expect(await readFile(named, 'utf8')).toBe('KMI_LOCALE=ru\n');
    expect(await config(['set', 'KMI_LOCALE', 'en', '--here'], { more })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('KMI_ENV_PATH'),
    });
  });

  it('a path is written whole, since the file counts in other folders, too', async () => {
    await config(['set', 'KMI_AUTHS_DIR', 'keys']);
    expect(await ofHome()).toBe(`KMI_AUTHS_DIR=${join(folder, 'keys')}\n`);
    await config(['set', 'KMI_AUTHS_DIR', '~/keys']);
    expect(await ofHome()).toBe('KMI_AUTHS_DIR=~/keys\n');
  });
});

describe('what is refused', () => {
  it('a value that cannot be used, as loading would say it; nothing is written', async () => {
    const typed = await config(['set', 'KMI_LOCALE', 'fr']);
    const loaded = await config([], { more: { KMI_LOCALE: 'fr' } });
    expect(typed).toMatchObject({ code: 2, stdout: '' });
    const said = (text: string) => text.split('\n').slice(0, 2);
    expect(said(typed.stderr)).toEqual(said(loaded.stderr));
    expect(typed.stderr).toContain('Nothing was written.');
    expect(await ofHome()).toBeNull();
  });

  it('also one that the environment would outdo', async () => {
    const more = { KMI_LOCALE: 'en' };
    expect(await config(['set', 'KMI_LOCALE', 'fr'], { more })).toMatchObject({ code: 2, stdout: '' });
    const good = await config(['set', 'KMI_LOCALE', 'ru'], { more });
    expect(good).toMatchObject({ code: 0, stdout: 'Wrote KMI_LOCALE=ru to ~/.kmi/.env.\n' });
    expect(good.stderr).toBe('Note: KMI_LOCALE is also set in the environment, which goes before ~/.kmi/.env. Unset it there.\n');
  });

  it('half of two settings that need each other; both at once are fine', async () => {
    const half = await config(['set', 'KMI_PROXY_TLS_CERT', '/a.pem']);
    expect(half).toMatchObject({ code: 2, stdout: '' });
    expect(half.stderr).toContain('Set both at once: `kmi config set KMI_PROXY_TLS_CERT=... KMI_PROXY_TLS_KEY=...`.');
    expect(await config(['set', 'KMI_PROXY_TLS_CERT=/a.pem', 'KMI_PROXY_TLS_KEY=/b.pem'])).toMatchObject({ code: 0 });
    expect(await config(['unset', 'KMI_PROXY_TLS_KEY'])).toMatchObject({ code: 2, stdout: '' });
    expect(await ofHome()).toBe('KMI_PROXY_TLS_CERT=/a.pem\nKMI_PROXY_TLS_KEY=/b.pem\n');
    expect(await config(['unset', 'KMI_PROXY_TLS_KEY', 'KMI_PROXY_TLS_CERT'])).toMatchObject({ code: 0 });
  });

  it("a folder's file that would send the home's keys elsewhere", async () => {
    await mkdir(join(home.stateDir, '_auths'), { recursive: true });
    await writeFile(join(home.stateDir, '_auths', 'a.env'), 'KMI_API_KEY=sk-test-a-0123456789\n');
    const { code, stderr } = await config(['set', '--here', 'KMI_UPSTREAM_BASE_URL', 'https://elsewhere.example']);
    expect(code).toBe(2);
    expect(stderr).toContain('would send the keys');
    expect(await ofFolder()).toBeNull();
  });

  it.each([
    [['set', 'KMI_DRI_RUN', '0'], 'kmi has no setting KMI_DRI_RUN.', 'Did you mean `kmi config set KMI_DRY_RUN`?'],
    [['unset', 'dryrun'], 'kmi has no setting dryrun.', 'Did you mean `kmi config unset KMI_DRY_RUN`?'],
    [['get', 'port'], 'kmi has no setting port.', 'Did you mean `kmi config get KMI_PROXY_LISTEN`?'],
    [['set', 'nonsense', '0'], 'kmi has no setting nonsense.', 'See `kmi config --all`.'],
    [['set', 'KMI_API_KEY', 'x'], 'KMI_API_KEY is no setting: it belongs into an auth file.', '`kmi keys add`'],
    [['set', 'KMI_ENV_PATH', 'x'], 'KMI_ENV_PATH counts in the environment only', 'export KMI_ENV_PATH'],
    [['set', 'KMI_LOCALE'], 'KMI_LOCALE needs a value: one of en, ru.', 'kmi config set KMI_LOCALE en'],
    [['set', 'KMI_LOCALE', ''], 'KMI_LOCALE needs a value', 'kmi config unset KMI_LOCALE'],
    [['set', 'KMI_PROXY_ALLOWED_HOSTS', 'a', 'b'], 'KMI_PROXY_ALLOWED_HOSTS takes one value, and here are 2.', 'quotes'],
    [['set', 'KMI_LOCALE', 'en', 'KMI_DRY_RUN=0'], 'Several settings are each given as NAME=VALUE.', 'KMI_DRY_RUN=0'],
    [['set', 'KMI_LOCALE=en', 'KMI_DRY_RUN'], 'Several settings are each given as NAME=VALUE.', 'KMI_DRY_RUN=0'],
  ])('%j says what is wrong and what to type', async (args, said, hint) => {
    const { code, stdout, stderr } = await config(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(`kmi: ${said}`);
    expect(stderr).toContain(hint);
    expect(await ofHome()).toBeNull();
  });
});

describe('settings that cannot be used', () => {
  it('are mended: one after another, though every other command stops at them', async () => {
    await writeHome('KMI_LOCALE=fr\nKMI_DRY_RUN=maybe\n');
    expect(await config([])).toMatchObject({ code: 2, stderr: expect.stringContaining('Fix this with `kmi config set`') });
    expect(await config(['set', 'KMI_DRY_RUN', 'maybe not'])).toMatchObject({ code: 2 });
    expect(await config(['set', 'KMI_DRY_RUN', '0'])).toMatchObject({ code: 0 });
    expect(await config(['unset', 'KMI_LOCALE'])).toMatchObject({ code: 0 });
    expect(await ofHome()).toBe('KMI_DRY_RUN=0\n');
    expect(await config([])).toMatchObject({ code: 0 });
  });
});

describe('a secret', () => {
  it.each([
    ['KMI_PROXY_TOKEN', SECRET],
    ['KMI_NOTIFY', `https://hooks.example/${SECRET}`],
    ['KMI_UPSTREAM_PROXY', `http://me:${SECRET}@proxy.example:3128`],
    ['KMI_AUDIT_ACTOR', `sk-kimi-${SECRET}`],
  ])('%s as an argument is refused and not repeated', async (name, value) => {
    for (const args of [[name, value], [`${name}=${value}`]]) {
      const { code, stdout, stderr } = await config(['set', ...args]);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(/never given as an argument, and this one was not used/);
      expect(stderr).not.toContain('swordfish');
    }
    expect(await ofHome()).toBeNull();
  });

  it('comes from standard input, and is shown nowhere', async () => {
    const { code, stdout, stderr } = await config(['set', 'KMI_PROXY_TOKEN'], { stdin: `${SECRET}\n` });
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'Wrote KMI_PROXY_TOKEN to ~/.kmi/.env.\n', stderr: '' });
    expect(await ofHome()).toBe(`KMI_PROXY_TOKEN='${SECRET}'\n`);
    expect(await config(['get', 'KMI_PROXY_TOKEN'])).toMatchObject({ stdout: '(set)\n' });
    const bad = await config(['set', 'KMI_NOTIFY'], { stdin: `ftp://${SECRET}\n` });
    expect(bad).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('KMI_NOTIFY=(hidden)') });
    expect(bad.stderr).not.toContain('swordfish');
    expect(await config(['set', 'KMI_PROXY_TOKEN'])).toMatchObject({ code: 1, stdout: '' });
  });

  it('is asked for without being shown; Ctrl+C writes nothing', async () => {
    const terminal = await openTerminal({ env, cwd: folder });
    await terminal.type('kmi config set KMI_PROXY_TOKEN');
    await terminal.waitFor(/KMI_PROXY_TOKEN \(what you type or paste is not shown\): *$/m);
    await terminal.press('C-c');
    await terminal.waitFor(/Interrupted\. Nothing was written\.(.|\n)*ended 130/);
    expect(await ofHome()).toBeNull();
    await terminal.type('clear; kmi config set KMI_PROXY_TOKEN');
    await terminal.waitFor(/is not shown\): *$/m);
    await terminal.paste(SECRET);
    await terminal.press('Enter');
    const screen = await terminal.waitFor(/Wrote KMI_PROXY_TOKEN to ~\/\.kmi\/\.env\.(.|\n)*ended 0/);
    expect(screen).not.toContain('swordfish');
    expect(await ofHome()).toContain(SECRET);
  });

  it.each([
    ['KMI_NOTIFY', 'desktop'],
    ['KMI_UPSTREAM_PROXY', 'none'],
    ['KMI_UPSTREAM_PROXY', 'http://127.0.0.1:3128'],
  ])('%s %s is none', async (name, value) => {
    expect(await config(['set', name, value])).toMatchObject({ code: 0, stdout: `Wrote ${name}=${value} to ~/.kmi/.env.\n` });
  });
});

describe('the proxy that runs', () => {
  it('follows after a restart, as it says; of what is not its affair it says nothing', async () => {
    const daemon = await daemonHome();
    await daemon.addKey({ label: 'ada' });
    const pid = await daemon.start();
    const set = await daemon.kmi(['config', 'set', 'KMI_LOG_MAX_MB', '7']);
    expect(set).toMatchObject({ code: 0, stderr: `The running proxy (pid ${pid}) follows after \`kmi restart\`.\n` });
    expect(await daemon.kmi(['config', 'set', 'KMI_TIMEZONE', 'UTC'])).toMatchObject({ code: 0, stderr: '' });
    expect(await daemon.kmi(['config', 'set', 'KMI_PROXY_TOKEN', '--plain'], {})).toMatchObject({ code: 1 });
    expect(await daemon.kmi(['restart'])).toMatchObject({ code: 0 });
    expect(await daemon.kmi(['config', 'set', 'KMI_LOG_MAX_MB', '7'])).toMatchObject({
      stdout: 'KMI_LOG_MAX_MB=7 is already in .kmi/.env.\n',
      stderr: '',
    });
    const unset = await daemon.kmi(['config', 'unset', 'KMI_LOG_MAX_MB']);
    expect(unset.stderr).toMatch(/^The running proxy \(pid \d+\) follows after `kmi restart`\.\n$/);
    await daemon.kmi(['stop', '--force']);
  });

  it('that keeps another state folder is named with the command that stops it', async () => {
    const daemon = await daemonHome();
    await daemon.addKey({ label: 'ada' });
    const { KMI_STATE_DIR: _default, ...rest } = daemon.env;
    const run = (...args: string[]) => runKmi(args, { env: rest, cwd: daemon.root });
    expect(await run('start')).toMatchObject({ code: 0 });
    const pid = (await daemon.pid()) as number;
    cleanUp(async () => kill(pid));
    const set = await run('config', 'set', 'KMI_STATE_DIR', '~/elsewhere');
    expect(set.stderr).toBe(
      `The running proxy (pid ${pid}) keeps its folder. Stop it with \`KMI_STATE_DIR=${daemon.stateDir} kmi stop\`, then \`kmi start\`.\n`,
    );
    expect((await runKmi(['stop'], { env: { ...rest, KMI_STATE_DIR: daemon.stateDir }, cwd: daemon.root })).stdout).toContain(
      String(pid),
    );
  });

  it('of another file is not reached, as it says', async () => {
    const daemon = await daemonHome();
    await daemon.addKey({ label: 'ada' });
    await writeFile(join(daemon.root, '.env'), 'KMI_LOCALE=en\n');
    await daemon.start();
    const elsewhere = join(daemon.root, 'elsewhere');
    await mkdir(elsewhere);
    const set = await runKmi(['config', 'set', 'KMI_LOG_MAX_MB', '7'], { env: daemon.env, cwd: elsewhere });
    expect(set).toMatchObject({ code: 0, stdout: 'Wrote KMI_LOG_MAX_MB=7 to ~/.kmi/.env.\n' });
    expect(set.stderr).toMatch(/^The running proxy \(pid \d+\) has its settings from ~\/\.env, so this does not reach it\.\n$/);
    await daemon.kmi(['stop', '--force']);
  });
});
