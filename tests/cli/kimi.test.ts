import { mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { type TemporaryHome, temporaryHome } from '../support/home.ts';
import { runKmi, startKmi } from '../support/spawn.ts';
import { openTerminal, type Terminal } from '../support/tmux.ts';
import { pathOf, STAYS, writeStandIn } from './stand-in-kimi.ts';

const DIST = resolve(import.meta.dirname, '../../dist');

let home: TemporaryHome;
/** Where the proxy serves. */
let url: string;
/** A folder for this test's programs, first on the PATH. */
let bin: string;
let env: Record<string, string>;

beforeAll(async () => {
  home = await temporaryHome();
  await home.addKey({ label: 'a' });
  // Live, so that nothing is said about the mode; nobody asks the upstream anything.
  const live = { ...home.env, KMI_DRY_RUN: '0', KMI_UPSTREAM_BASE_URL: 'http://127.0.0.1:9/v1' };
  const proxy = await startKmi(['proxy', '--foreground'], { env: live, cwd: home.root });
  [, url = ''] = await proxy.waitForOutput(/serves (\S+)/);
  await proxy.waitForOutput(/Point a client/);
});

beforeEach(async () => {
  bin = await mkdtemp(join(home.root, 'bin-'));
  // A home of each test's own: its Kimi configs decide which model is named.
  env = { ...home.env, HOME: bin, PATH: pathOf(bin) };
});

const kimi = () => join(bin, 'kimi');

/** A terminal with this test's PATH, which tmux would not take from its environment. */
async function openShell(size: { columns?: number; rows?: number } = {}): Promise<Terminal> {
  const terminal = await openTerminal({ cwd: bin, env, ...size });
  await terminal.type(`PATH='${env.PATH}'; clear`);
  return terminal;
}

describe('what reaches the client', () => {
  it('every argument passes through untouched, also those kmi has itself', async () => {
    const standIn = await writeStandIn(kimi());
    const args = ['-p', 'say "hello"', '--help', '--version', '--plain', '--', 'status', '', '-x=$HOME', "it's"];
    for (const script of ['cli.js', 'robin.js']) {
      const finished = await runKmi(script === 'cli.js' ? ['--no-color', 'kimi', ...args] : args, { env, script });
      expect(finished).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
      expect((await standIn.met()).args).toEqual(args);
    }
  });

  it('the variables of both families point at the proxy', async () => {
    const standIn = await writeStandIn(kimi());
    await runKmi(['kimi'], { env: { ...env, OTHER: 'stays', KIMI_BASE_URL: 'https://api.kimi.com/coding/v1' } });
    expect((await standIn.met()).env).toMatchObject({
      OTHER: 'stays',
      KIMI_BASE_URL: url,
      KIMI_API_KEY: 'kmi',
      KIMI_MODEL_NAME: 'kimi-for-coding',
      KIMI_MODEL_BASE_URL: url,
      KIMI_MODEL_API_KEY: 'kmi',
      KIMI_WEB_SEARCH_BASE_URL: `${url}/search`,
      KIMI_WEB_FETCH_API_KEY: 'kmi',
      NO_PROXY: '127.0.0.1,localhost',
    });
  });

  it('the proxy token is the key when one is set', async () => {
    const standIn = await writeStandIn(kimi());
    await runKmi(['kimi'], { env: { ...env, KMI_PROXY_TOKEN: 'a-long-random-token' } });
    const { KIMI_API_KEY, KIMI_MODEL_API_KEY, KIMI_WEB_SEARCH_API_KEY } = (await standIn.met()).env;
    expect([KIMI_API_KEY, KIMI_MODEL_API_KEY, KIMI_WEB_SEARCH_API_KEY]).toEqual(Array(3).fill('a-long-random-token'));
  });

  it('Kimi Code is told the default model of its own config', async () => {
    const standIn = await writeStandIn(kimi(), { marker: '@moonshot-ai/kimi-code' });
    await mkdir(join(bin, '.kimi-code'));
    const config = `default_model = "kimi-code/k3"
[providers."managed:kimi-code"]
type = "kimi"
[models."kimi-code/k3"]
provider = "managed:kimi-code"
model = "k3"
max_context_size = 1048576
capabilities = ["thinking", "image_in"]
`;
    await writeFile(join(bin, '.kimi-code/config.toml'), config);
    await runKmi(['kimi'], { env });
    expect((await standIn.met()).env).toMatchObject({
      KIMI_MODEL_NAME: 'k3',
      KIMI_MODEL_MAX_CONTEXT_SIZE: '1048576',
      KIMI_MODEL_CAPABILITIES: 'thinking,image_in',
    });
    await runKmi(['kimi'], { env: { ...env, KIMI_MODEL_NAME: 'mine' } });
    const own = (await standIn.met()).env;
    expect([own.KIMI_MODEL_NAME, own.KIMI_MODEL_MAX_CONTEXT_SIZE]).toEqual(['mine', undefined]);
  });

  it('kimi-cli keeps the model of its config, and is told one when it has none', async () => {
    const standIn = await writeStandIn(kimi(), { marker: 'from kimi_cli.__main__ import main' });
    await runKmi(['kimi'], { env });
    expect((await standIn.met()).env).toMatchObject({
      KIMI_MODEL_NAME: 'kimi-for-coding',
      KIMI_MODEL_MAX_CONTEXT_SIZE: '262144',
    });
    await mkdir(join(bin, '.kimi'));
    const config = '[models.m]\nprovider = "p"\nmodel = "k3"\n[providers.p]\ntype = "kimi"\n';
    await writeFile(join(bin, '.kimi/config.toml'), `default_model = "m"\n${config}`);
    await runKmi(['kimi'], { env });
    expect((await standIn.met()).env).not.toHaveProperty('KIMI_MODEL_NAME');
  });

  it('a session that would go around the proxy is said to', async () => {
    await writeStandIn(kimi(), { marker: '@moonshot-ai/kimi-code' });
    const { code, stderr } = await runKmi(['kimi', '-m', 'other'], { env });
    expect([code, stderr]).toEqual([0, expect.stringContaining('set KIMI_MODEL_NAME instead')]);
  });
});

describe('eligibility in its place', () => {
  it('exit codes and output pass through, and a signal that ended it becomes 128 and its number', async () => {
    await writeStandIn(kimi(), { does: `process.stdout.write('out'); process.stderr.write('err'); process.exitCode = 7;` });
    expect(await runKmi(['kimi'], { env })).toEqual({ code: 7, signal: null, stdout: 'out', stderr: 'err' });
    await writeStandIn(kimi(), { does: `process.kill(process.pid, 'SIGKILL'); setInterval(() => {}, 1000);` });
    expect(await runKmi(['kimi'], { env })).toMatchObject({ code: 137, signal: null });
  });

  it('standard input is its own', async () => {
    await writeStandIn(kimi(), { does: 'process.stdin.pipe(process.stdout);' });
    expect(await runKmi(['kimi'], { env, stdin: 'a prompt' })).toMatchObject({ code: 0, stdout: 'a prompt' });
  });

  it.each(['SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const)('%s reaches it, and kmi stays until it ends', async (signal) => {
    const standIn = await writeStandIn(kimi(), { does: STAYS });
    const running = await startKmi(['kimi'], { env });
    await running.waitForOutput(/ready/);
    running.child.kill(signal);
    const met = await standIn.waitForSignal(signal);
    expect(met.pid).not.toBe(running.child.pid);
    expect(await running.stop('SIGTERM')).toEqual({ code: 42, signal: null });
    expect((await standIn.met()).signals).toEqual([signal, 'SIGTERM']);
  });

  it('in a terminal it has the terminal: its size, its Ctrl+C once, its end', async () => {
    const standIn = await writeStandIn(kimi(), { does: STAYS });
    const terminal = await openShell({ columns: 90, rows: 20 });
    await terminal.type('kmi kimi --yolo');
    expect(await terminal.waitFor(/^ready$/m)).toContain('kmi: live, through the proxy.');
    const { ppid: kmi, ...met } = await standIn.met();
    expect(met).toMatchObject({ args: ['--yolo'], terminals: [true, true, true], size: [90, 20] });
    await terminal.press('C-c');
    await standIn.waitForSignal('SIGINT');
    await terminal.resize(100, 30);
    expect((await standIn.waitForSignal('SIGWINCH')).size).toEqual([100, 30]);
    process.kill(kmi, 'SIGTERM');
    await terminal.waitFor(/ended 42/);
    expect((await standIn.met()).signals.filter((name) => name === 'SIGINT')).toHaveLength(1);
  });

  it('in a terminal it can be stopped by Ctrl+Z and brought back', async () => {
    const standIn = await writeStandIn(kimi(), { does: `process.on('SIGCONT', () => console.log('goes on')); ${STAYS}` });
    const terminal = await openShell();
    await terminal.type('kmi kimi');
    await terminal.waitFor(/^ready$/m);
    await terminal.press('C-z');
    await terminal.waitFor(/ended 148|Stopped/);
    await terminal.type('fg; echo "back $?"');
    await terminal.waitFor(/goes on/);
    process.kill((await standIn.met()).pid, 'SIGTERM');
    await terminal.waitFor(/^back 42$/m);
  });

  it('in a terminal in raw mode Ctrl+C is a key, and a SIGINT from elsewhere reaches it', async () => {
    const does = `process.stdin.setRawMode(true).on('data', (keys) => console.log('key', keys[0])); ${STAYS}`;
    const standIn = await writeStandIn(kimi(), { does });
    const terminal = await openShell();
    await terminal.type('kmi kimi');
    await terminal.waitFor(/^ready$/m);
    await terminal.press('C-c');
    await terminal.waitFor(/key 3/);
    const { ppid: kmi, signals } = await standIn.met();
    expect(signals).toEqual([]);
    process.kill(kmi, 'SIGINT');
    await standIn.waitForSignal('SIGINT');
    process.kill(kmi, 'SIGTERM');
    await terminal.waitFor(/ended 42/);
  });
});

describe('which kimi', () => {
  it('one that is kimi_robin itself, or calls it, is passed over', async () => {
    const real = await writeStandIn(join(bin, 'real/kimi'));
    await mkdir(join(bin, 'link'));
    await mkdir(join(bin, 'script'));
    await symlink(join(DIST, 'robin.js'), join(bin, 'link/kimi'));
    await writeFile(join(bin, 'script/kimi'), '#!/bin/sh\n# my own\nexec kmi kimi --yolo "$@"\n', { mode: 0o755 });
    const path = pathOf(join(bin, 'missing'), join(bin, 'link'), join(bin, 'script'), join(bin, 'real'));
    const finished = await runKmi(['-p', 'x'], { env: { ...env, PATH: path }, script: join(bin, 'link/kimi') });
    expect(finished).toMatchObject({ code: 0 });
    expect((await real.met()).args).toEqual(['-p', 'x']);
  });

  it('none at all ends like a command that is not found', async () => {
    await writeFile(kimi(), 'not executable', { mode: 0o644 });
    const { code, stdout, stderr } = await runKmi(['kimi'], { env: { ...env, PATH: bin } });
    expect([code, stdout, stderr]).toEqual([127, '', expect.stringContaining('There is no `kimi` on the PATH.')]);
  });

  it('one that cannot be run says why', async () => {
    await writeFile(kimi(), '#!/does/not/exist\n', { mode: 0o755 });
    const { code, stderr } = await runKmi(['kimi'], { env });
    expect([code, stderr]).toEqual([127, expect.stringContaining(`${kimi()} cannot be run`)]);
  });
});

describe('which proxy', () => {
  it('without one that could be started the client is not, but still asked for its version', async () => {
    const standIn = await writeStandIn(kimi(), { does: `console.log('2.1.0');` });
    const without = {
      ...env,
      KMI_AUTHS_DIR: bin,
      KMI_STATE_DIR: join(bin, 'state'),
      KMI_PROXY_LISTEN: `127.0.0.1:${await freePort()}`,
    };
    const { code, stdout, stderr } = await runKmi(['kimi', '-p', 'x'], { env: without });
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(
      /^kmi: The proxy cannot start\. There are no keys in .*\n {5}Log in with `kmi login`, add one with `kmi keys add`/,
    );
    await expect(standIn.met()).rejects.toThrow('ENOENT');
    expect(await runKmi(['kimi', '--version'], { env: without })).toMatchObject({ code: 0, stdout: '2.1.0\n', stderr: '' });
  });

  it('one in dry-run is called so, whatever this shell says', async () => {
    const dry = await temporaryHome();
    await dry.addKey({ label: 'a' });
    const proxy = await startKmi(['proxy', '--foreground'], { env: dry.env, cwd: dry.root });
    await proxy.waitForOutput(/Point a client/);
    await writeStandIn(kimi(), { does: `console.log('answer');` });
    const { stdout, stderr } = await runKmi(['kimi', '-p', 'x'], { env: { ...env, ...dry.env } });
    expect([stdout, stderr]).toEqual([
      'answer\n',
      'kmi: dry-run: answers are simulated. `kmi config set KMI_DRY_RUN 0` goes live.\n',
    ]);
    const wantsLive = await runKmi(['kimi', '-p', 'x'], { env: { ...env, ...dry.env, KMI_DRY_RUN: '0' } });
    expect(wantsLive.stderr).toBe('kmi: dry-run: answers are simulated. `kmi restart` applies KMI_DRY_RUN=0.\n');
  });

  it('a live one is not called simulated by a shell that is in dry-run', async () => {
    await writeStandIn(kimi(), { does: `console.log('answer');` });
    expect(await runKmi(['kimi', '-p', 'x'], { env: { ...env, KMI_DRY_RUN: '1' } })).toMatchObject({
      stdout: 'answer\n',
      stderr: '',
    });
  });
});
