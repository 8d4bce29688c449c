import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { cleanUp } from '../support/cleanup.ts';
import { type HomeWithPort, homeWithPort } from '../support/home.ts';
import { runKmi, startKmi } from '../support/spawn.ts';
import { openTerminal, type Terminal } from '../support/tmux.ts';

const KEY = 'sk-kimi-ada-0123456789abcdef';
const OTHER_KEY = 'sk-kimi-ben-0123456789abcdef';

let simulator: Simulator;
let home: HomeWithPort;
let env: Record<string, string>;

beforeAll(async () => {
  simulator = await startSimulator({
    accounts: [
      { name: 'ada', keys: [KEY] },
      { name: 'ben', keys: [OTHER_KEY] },
    ],
  });
  cleanUp(() => simulator.close());
});

beforeEach(async () => {
  home = await homeWithPort();
  // The auths folder is where kmi itself puts it; none of the settings comes from the environment.
  const { KMI_AUTHS_DIR: _given, ...rest } = home.env;
  env = { ...rest, KMI_UPSTREAM_BASE_URL: simulator.baseUrl };
});

const init = (args: readonly string[] = [], stdin = '') => runKmi(['init', ...args], { env, cwd: home.root, stdin });
const text = (name: string) => readFile(join(home.root, name), 'utf8');
const mode = async (name: string) => (await stat(join(home.root, name))).mode & 0o777;
const isRotating = async () => JSON.parse(await text('.kmi/state.json')).auto_rotate;

describe('in a script', () => {
  it('sets everything up from flags and standard input', async () => {
    await mkdir(join(home.root, '.kmi', '_auths'), { recursive: true });
    await chmod(join(home.root, '.kmi', '_auths'), 0o755);
    const { code, stdout, stderr } = await init(
      ['--key-stdin', '--label', 'work', '--live', '--auto-rotate', '--yes'],
      `${KEY}\n`,
    );
    expect(code).toBe(0);
    expect(await text('.kmi/_auths/work.env')).toBe(`KMI_API_KEY=${KEY}\nKMI_KEY_LABEL=work\n`);
    expect(await text('.kmi/.env')).toBe('KMI_DRY_RUN=0\nKMI_AUTO_ROTATE_ALLOWED=1\n');
    expect(await isRotating()).toBe(true);
    expect([await mode('.kmi/_auths'), await mode('.kmi'), await mode('.kmi/_auths/work.env'), await mode('.kmi/.env')]).toEqual([
      0o700, 0o700, 0o600, 0o600,
    ]);
    expect(stdout).toMatch(
      /Next\n {2}Kimi CLI +kmi kimi\n {2}others +kmi run -- claude\n {2}this shell +eval "\$\(kmi env\)"\n {2}by hand /,
    );
    expect(stdout).toContain(`KIMI_BASE_URL=${home.proxyUrl} KIMI_API_KEY=kmi\n`);
    expect(stdout + stderr).not.toContain('0123456789');
    const status = await runKmi(['status', '--json'], { env, cwd: home.root });
    expect(JSON.parse(status.stdout)).toMatchObject({ mode: 'live', keys: { total: 1 }, rotation: { auto_rotate: true } });
    expect(await readFile(join(home.stateDir, 'logs', 'kmi.log'), 'utf8')).toContain('"event":"auto_rotate_enabled"');
  });

  it('a second run changes nothing', async () => {
    const args = ['--key-stdin', '--label', 'work', '--live', '--auto-rotate', '--yes'];
    await init(args, KEY);
    const before = await Promise.all(['.kmi/.env', '.kmi/_auths/work.env', '.kmi/state.json'].map(text));
    const again = await init(args, KEY);
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(again.stdout).toContain('This key is here already: work.');
    expect(again.stdout).not.toContain('Wrote');
    expect(await init(['--yes'])).toMatchObject({ code: 0, stderr: '' });
    expect(await Promise.all(['.kmi/.env', '.kmi/_auths/work.env', '.kmi/state.json'].map(text))).toEqual(before);
    expect(await readdir(join(home.root, '.kmi', '_auths'))).toEqual(['work.env']);
  });

  it('what no flag says stays as it is, and what a flag says changes one line', async () => {
    const mine = '# my settings\r\nKMI_PROXY_TOKEN="a b"\r\nKMI_DRY_RUN=1   # for now\r\nKMI_AUTO_ROTATE_ALLOWED=0';
    await writeFile(join(home.root, '.env'), mine);
    await home.addKey({ label: 'a', key: KEY });
    await init(['--yes']);
    expect(await text('.env')).toBe(mine);
    await init(['--live', '--auto-rotate']);
    const live = mine.replace('RUN=1', 'RUN=0').replace('ALLOWED=0', 'ALLOWED=1');
    expect(await text('.env')).toBe(live);
    expect(await init(['--dry-run', '--no-auto-rotate'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Auto-rotation is off'),
    });
    expect(await text('.env')).toBe(live.replace('RUN=0', 'RUN=1'));
    expect(await isRotating()).toBe(false);
  });

  it('--strategy is taken with --auto-rotate, kept for later without, and refused when it is none', async () => {
    await home.addKey({ label: 'a', key: KEY });
    const strategy = async () => JSON.parse(await text('.kmi/state.json')).rotation_strategy;
    const later = await init(['--strategy', 'quota', '--yes']);
    expect(later).toMatchObject({ code: 0, stdout: expect.stringContaining('Auto-rotation stays off; once') });
    expect([await isRotating(), await strategy()]).toEqual([false, 'quota']);
    const on = await init(['--auto-rotate', '--yes']);
    expect(on.stdout).toContain('Auto-rotation is on (quota): a session stays with its account');
    expect(on.stdout).not.toContain('sticky is best');
    expect((await init(['--strategy', 'sticky', '--yes'])).stdout).toContain('Auto-rotation is on (sticky)');
    expect([await isRotating(), await strategy()]).toEqual([true, 'sticky']);
    for (const [args, words] of [
      [['--strategy', 'best'], '--strategy best: takes round-robin, sticky, quota, weighted.'],
      [['--strategy', 'sticky', '--no-auto-rotate'], '--strategy and --no-auto-rotate exclude each other.'],
    ] as const) {
      expect(await init(args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(words) });
    }
    expect([await isRotating(), await strategy()]).toEqual([true, 'sticky']);
  });

  it('a script that turns auto-rotation on without a strategy gets the setting, and the advice', async () => {
    await home.addKey({ label: 'a', key: KEY });
    const { stdout } = await init(['--auto-rotate', '--yes']);
    expect(stdout).toContain('Auto-rotation is on (round-robin): each request takes the next key.');
    expect(stdout.replace(/\s+/g, ' ')).toContain('For coding agents sticky is best: the prompt cache belongs to the account');
    expect(stdout).toContain('To have it: `kmi rotate auto --strategy sticky`\n');
    expect(JSON.parse(await text('.kmi/state.json'))).not.toHaveProperty('rotation_strategy');
  });

  it('without a key and a terminal it says how to give one', async () => {
    const { code, stderr } = await init();
    expect(code).toBe(1);
    expect(stderr).toMatch(/no key yet, and no terminal to ask for one\.\n.*--key-stdin/);
  });

  it('a refused key leaves the folders and nothing else', async () => {
    const { code, stderr } = await init(['--key-stdin', '--live', '--yes'], 'sk-kimi-wrong-0123456789');
    expect(code).toBe(1);
    expect(stderr).toMatch(/refuses the key, so it was not added: HTTP 401/);
    expect(await readdir(home.root)).toEqual(['.kmi', '_auths']);
    expect(await readdir(home.authsDir)).toEqual([]);
  });

  it.each([
    [['--live', '--dry-run'], /exclude each other/],
    [['--label', KEY], /looks like a key/],
    [['--key-stdin', '--base-url', 'http://up.test'], /--base-url/],
  ])('%j is a usage error', async (args, words) => {
    const { code, stderr } = await init(args, KEY);
    expect(code).toBe(2);
    expect(stderr).toMatch(words);
    expect(stderr).not.toContain('0123456789');
  });

  it('a variable of the environment that goes before .env is told', async () => {
    env.KMI_DRY_RUN = '1';
    const { code, stderr } = await init(['--key-stdin', '--live'], KEY);
    expect(code).toBe(0);
    expect(stderr).toContain('KMI_DRY_RUN is also set in the environment, which goes before .kmi/.env. Unset it there.');
  });

  it('a file named by KMI_ENV_PATH gets the settings', async () => {
    await mkdir(join(home.root, 'conf'));
    env.KMI_ENV_PATH = join(home.root, 'conf', 'kmi.env');
    await writeFile(env.KMI_ENV_PATH, 'KMI_TIMEZONE=UTC\n');
    await init(['--key-stdin', '--live'], KEY);
    expect(await text('conf/kmi.env')).toBe('KMI_TIMEZONE=UTC\nKMI_DRY_RUN=0\n');
  });

  it('beside a running proxy it says what the proxy makes of it', async () => {
    await home.addKey({ label: 'a', key: KEY });
    const proxy = await startKmi(['proxy', '--foreground'], { env, cwd: home.root });
    await proxy.waitForOutput(/serves/);
    expect((await init(['--yes'])).stdout).toContain('runs already, and has the keys');
    expect((await init(['--live'])).stdout).toMatch(/proxy +runs, still in the old mode\n +restart +kmi restart\n +Kimi CLI/);
    await proxy.stop();
  });
});

describe('whose folder', () => {
  it('with --here the folder gets keys and settings of its own, and that is said', async () => {
    await init(['--key-stdin', '--label', 'work', '--live', '--yes'], KEY);
    const project = join(home.root, 'project');
    await mkdir(project);
    const run = (args: readonly string[], stdin = '') => runKmi(args, { env, cwd: project, stdin });
    const { code, stdout } = await run(
      ['init', '--here', '--key-stdin', '--label', 'mine', '--dry-run', '--auto-rotate', '--yes'],
      OTHER_KEY,
    );
    expect(code).toBe(0);
    expect(stdout).toContain('These settings apply in this folder only, so start kmi here.');
    expect(await readFile(join(project, '.env'), 'utf8')).toBe('KMI_AUTO_ROTATE_ALLOWED=1\n');
    expect(await readdir(join(project, '_auths'))).toEqual(['mine.env']);
    expect(await text('.kmi/.env')).toBe('KMI_DRY_RUN=0\n');
    const config = await run(['config']);
    expect(config.stdout).toContain('from this folder');
    expect(config.stderr.replace(/\s+/g, ' ')).toContain(
      'The env file of this folder is used instead of ~/.kmi/.env. The keys of this folder',
    );
    expect(JSON.parse((await run(['status', '--json'])).stdout)).toMatchObject({ mode: 'dry-run', active_key: 'mine' });
    const elsewhere = await runKmi(['status', '--json'], { env, cwd: join(home.root, '.kmi') });
    expect(JSON.parse(elsewhere.stdout)).toMatchObject({ mode: 'live', active_key: 'work' });
  });

  it('`keys add --here` says what the folder loses by it; KMI_AUTHS_DIR excludes it', async () => {
    await init(['--key-stdin', '--label', 'work', '--live', '--yes'], KEY);
    const cwd = join(home.root, 'project');
    await mkdir(cwd);
    const there = await runKmi(['keys', 'add', 'second', '--no-test'], { env, cwd, stdin: 'sk-kimi-second-0123456789' });
    expect(there.stdout).toMatch(/Added second \(~?.*\.kmi\/_auths\/second\.env\)/);
    const here = await runKmi(['keys', 'add', 'mine', '--here'], { env, cwd, stdin: OTHER_KEY });
    expect(here.stdout).toContain('Added mine (_auths/mine.env)');
    expect(here.stderr).toContain('in this folder kmi now uses the keys of _auths only, not those of');
    const refused = await runKmi(['keys', 'add', 'x', '--here'], {
      env: { ...env, KMI_AUTHS_DIR: home.authsDir },
      cwd,
      stdin: KEY,
    });
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('KMI_AUTHS_DIR names')]);
  });
});

describe('in a terminal', () => {
  async function wantKey(terminal: Terminal): Promise<void> {
    await terminal.waitFor(/Log in with a Kimi account, rather than enter an API key\? \[Y\/n\] *$/m);
    await terminal.type('n');
    await terminal.waitFor(/API key \(not shown while you type or paste\):/);
  }

  /** What has been on the screen, with wrapped lines as the terminal shows them. */
  async function openInit(): Promise<Terminal> {
    const terminal = await openTerminal({ env, cwd: home.root });
    await terminal.type('kmi init');
    await wantKey(terminal);
    return terminal;
  }

  it('asks for all of it; the key is never on the screen', async () => {
    const terminal = await openInit();
    const screens: string[] = [];
    const see = async (pattern: RegExp) => screens.push(await terminal.waitFor(pattern));
    await terminal.paste('sk-kimi-wrong-0123456789\n');
    await terminal.press('Enter');
    await see(/Read sk-k\*\*\*6789 \(24 characters\)\.(.|\n)*refuses this key: HTTP 401(.|\n)*API key/);
    // Typed, mistyped, erased, and typed again.
    await terminal.press('x', 'C-u');
    await terminal.type(KEY);
    await see(/Read sk-k\*\*\*cdef(.|\n)*The key works: 5h limit(.|\n)*Label for it \[main\]:/);
    await terminal.type('bad label');
    await see(/A label is made of(.|\n)*Label for it \[main\]: *$/m);
    await terminal.press('w', 'o', 'r', 'x', 'BSpace', 'k', 'Enter');
    await see(/Label for it \[main\]: work\n+Wrote work to \.kmi\/_auths\/work\.env\.(.|\n)*Go live: .*\[Y\/n\]/);
    await terminal.type('q');
    await see(/Please answer y or n\./);
    await terminal.press('Enter');
    await see(/Wrote KMI_DRY_RUN=0 to \.kmi\/\.env\.(.|\n)*no resale(.|\n)*Turn auto-rotation on\? \[y\/N\]/);
    await terminal.type('y');
    await see(
      /sticky is best: the prompt cache(.|\n)*a\s+cached input token costs a tenth(.|\n)* sticky +a session stays(.|\n)*Strategy \[sticky\]: *$/m,
    );
    await terminal.type('stickyy');
    await see(/Please answer round-robin, sticky, quota, weighted, or press Enter for sticky\.\n+Strategy \[sticky\]: *$/m);
    await terminal.press('Enter');
    await see(/Auto-rotation is on \(sticky\)(.|\n)*Kimi CLI +kmi kimi(.|\n)*KIMI_BASE_URL=http(.|\n)*ended 0/);
    for (const screen of screens) {
      expect(screen).not.toContain('0123456789');
      expect(Math.max(...screen.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    }
    expect(await text('.kmi/_auths/work.env')).toContain(`KMI_API_KEY=${KEY}\n`);
    expect(await text('.kmi/.env')).toBe('KMI_DRY_RUN=0\nKMI_AUTO_ROTATE_ALLOWED=1\n');
    expect(JSON.parse(await text('.kmi/state.json'))).toMatchObject({ auto_rotate: true, rotation_strategy: 'sticky' });
    await terminal.typeAfresh('stty -a');
    expect(await terminal.waitFor(/echo/)).toMatch(/ echo /);
  });

  it('a pasted key waits for Enter, and a second run offers another one', async () => {
    const terminal = await openInit();
    await terminal.paste(`${KEY}\r\n`);
    await terminal.press('Enter');
    await terminal.waitFor(/Label for it \[main\]:/);
    await terminal.press('Enter');
    await terminal.waitFor(/Go live/);
    await terminal.type('n');
    await terminal.waitFor(/Dry-run: nothing is sent(.|\n)*Turn auto-rotation on/);
    await terminal.press('Enter');
    await terminal.waitFor(/stays off(.|\n)*ended 0/);
    await terminal.typeAfresh('kmi init');
    await terminal.waitFor(/There is 1 key already: main\.\n+Add another account\? \[y\/N\]/);
    await terminal.type('y');
    await wantKey(terminal);
    await terminal.paste(OTHER_KEY);
    await terminal.press('Enter');
    await terminal.waitFor(/Label for it \[key-2\]:/);
    await terminal.press('Enter');
    await terminal.waitFor(/Wrote key-2 to/);
  });

  it('Ctrl+C at a question gives the terminal back, says what stands, and ends with 130', async () => {
    const terminal = await openInit();
    await terminal.press('a', 'b', 'C-c');
    await terminal.waitFor(/Interrupted\. What was written so far stays(.|\n)*ended 130/);
    await terminal.typeAfresh('stty -a');
    expect(await terminal.waitFor(/echo/)).toMatch(/ icanon (.|\n)* echo /);
    await terminal.typeAfresh('kmi init');
    await wantKey(terminal);
    await terminal.press('C-d');
    await terminal.waitFor(/The input ended before the question was answered(.|\n)*ended 1\n/);
    expect(await readdir(home.authsDir)).toEqual([]);
  });

  it('Ctrl+Z at the hidden question suspends; in front again it goes on, still hidden', async () => {
    const terminal = await openInit();
    await terminal.press('C-z');
    await terminal.waitFor(/Stopped/);
    await terminal.typeAfresh('stty -a | grep -c " echo "; fg');
    await terminal.waitFor(/^1\n(.|\n)*API key/m);
    await terminal.type(KEY);
    expect(await terminal.waitFor(/Label for it/)).not.toContain('0123456789');
  });

  it('says first what it will ask, and asks again after what cannot be a key', async () => {
    const terminal = await openTerminal({ env, cwd: home.root });
    await terminal.type('kmi init');
    await terminal.waitFor(/kmi asks for an account, whether to go live,/);
    await wantKey(terminal);
    await terminal.press('Enter');
    await terminal.waitFor(/No key was given\. Enter another one, or press Ctrl\+C\.\n+API key/);
    for (const [typed, words] of [
      ['sk-kimi-ada 0123', /has blanks(.|\n)*API key[^\n]*: *$/m],
      ['sk-kimi-xxxxxxxx', /is a placeholder(.|\n)*API key[^\n]*: *$/m],
      ['$KIMI_API_KEY', /is a reference that nothing has replaced(.|\n)*API key[^\n]*: *$/m],
    ] as const) {
      await terminal.type(typed);
      await terminal.waitFor(words);
    }
    await terminal.type(KEY);
    await terminal.waitFor(/The key works(.|\n)*Label for it/);
  });

  it('a key that cannot be tested is kept only after a yes', async () => {
    env.KMI_UPSTREAM_BASE_URL = 'http://127.0.0.1:9/v1';
    const terminal = await openInit();
    await terminal.type(KEY);
    await terminal.waitFor(/no\s+answer:\s+127\.0\.0\.1\s+could\s+not\s+be\s+reached:[\s\S]*\n+Keep it anyway\? \[y\/N\]/);
    await terminal.type('n');
    await terminal.waitFor(/It was not kept\. Enter another one, or press Ctrl\+C\.\n+API key/);
    await terminal.type(KEY);
    await terminal.waitFor(/It was not kept[\s\S]*Keep it anyway\? \[y\/N\] *$/m);
    await terminal.type('y');
    await terminal.waitFor(/Label for it/);
    await terminal.press('Enter');
    await terminal.waitFor(/Wrote main to/);
  });
});
