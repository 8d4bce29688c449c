import { execFileSync } from 'node:child_process';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { temporaryHome } from '../support/home.ts';
import { type BinaryProxy, startBinaryProxy, type TestProxyOptions } from '../support/proxy.ts';
import { runKmi, startKmi } from '../support/spawn.ts';
import { openTerminal, type Terminal, type TerminalOptions } from '../support/tmux.ts';
import { linesOf, traceEvents } from '../trace/event-fixture.ts';

type Watched = { readonly proxy: BinaryProxy; readonly env: Readonly<Record<string, string>> };
type Prepared = Watched & { readonly terminal: Terminal };

async function startWatched(options: TestProxyOptions = {}): Promise<Watched> {
  const proxy = await startBinaryProxy({ accounts: ['ada', 'ben', 'cleo'], ...options });
  const { home, simulator } = proxy;
  const env = { ...home.env, KMI_UPSTREAM_BASE_URL: simulator.baseUrl, KMI_DRY_RUN: '0', KMI_TIMEZONE: 'UTC' };
  return { proxy, env: { ...env, KMI_USAGE_CACHE_SECONDS: '0', ...options.settings } };
}

async function openWatch(options: TestProxyOptions = {}, size: TerminalOptions = {}): Promise<Prepared> {
  const { proxy, env } = await startWatched(options);
  const terminal = await openTerminal({ env, cwd: proxy.home.root, ...size });
  await terminal.type('kmi watch');
  await terminal.waitFor(/All 3 (keys|accounts) can serve/);
  return { proxy, env, terminal };
}

/** Every key of the home on a cooldown or blocked, as the proxy saves it. */
async function writeState(proxy: BinaryProxy, keys: Readonly<Record<string, object>>): Promise<void> {
  const path = join(proxy.home.stateDir, 'state.json');
  const state = JSON.parse(await readFile(path, 'utf8').catch(() => '{"schema_version":1,"keys":{}}'));
  const merged = Object.entries(keys).map(([label, change]) => [label, { ...state.keys[label], ...change }]);
  await writeFile(`${path}.new`, JSON.stringify({ ...state, keys: { ...state.keys, ...Object.fromEntries(merged) } }));
  await rename(`${path}.new`, path);
}

it('shows requests as they come, and what happens beside them', async () => {
  const { proxy, terminal } = await openWatch();
  await proxy.chat();
  await terminal.waitFor(/^> \d\d:\d\d:\d\d +200 .* ada .*Say hello/m);
  proxy.simulator.account('ada').faults.add('quota_5h', { times: 1 });
  await proxy.chat();
  const screen = await terminal.waitFor(/ada: its quota is used up \(403\); ben served the request/);
  expect(screen).toMatch(/^2 of 3 (keys|accounts) can serve; ada is back at \d\d:\d\d/m);
  expect(screen).toMatch(/ada +cooldown/);
  expect(screen).toMatch(/last minute: 2 requests, 0 failed, 1 failover/);
});

it('f frees the selected key, n and Enter use it next, and the running proxy follows', async () => {
  const { proxy, terminal } = await openWatch();
  const until = new Date(Date.now() + 3_600_000).toISOString();
  await proxy.chat();
  await proxy.state(({ keys }) => keys.ada?.request_count === 1);
  await writeState(proxy, {
    ada: { exhausted_until: until, exhausted_reason: 'quota' },
    ben: { blocked_until: null, blocked_reason: 'banned' },
  });
  await terminal.waitFor(/^1 of 3/m);
  await terminal.press('f');
  await terminal.waitFor(/Select a key first/);
  await terminal.press('Down', 'f');
  await terminal.waitFor(/ada is free/);
  await terminal.waitFor(/^2 of 3/m);
  await terminal.press('Down', 'f');
  await terminal.waitFor(/ben is free/);
  await terminal.waitFor(/^All 3/m);
  expect(await proxy.state()).toMatchObject({ keys: { ada: { exhausted_until: null }, ben: { blocked_reason: null } } });
  await terminal.press('f');
  await terminal.waitFor(/ben can serve already/);
  await terminal.press('Enter');
  await terminal.waitFor(/ben serves the next request/);
  await terminal.waitFor(/^\*> ben/m);
  await eventually(async () => {
    await proxy.chat();
    return proxy.served().endsWith('ben') ? true : undefined;
  });
});

it('under auto-rotation it says what the active key means there', async () => {
  const { terminal } = await openWatch({ autoRotate: true, settings: { KMI_AUTO_ROTATE_ALLOWED: '1' } }, { columns: 120 });
  await terminal.press('Down', 'n');
  await terminal.waitFor(/ada is the active key, which counts after `kmi rotate off`: auto-rotation \(round-robin\) is on\./);
});

it('a proxy that stops is said to be gone, and one that starts elsewhere is picked up', async () => {
  const { proxy, env, terminal } = await openWatch();
  await proxy.chat();
  await terminal.waitFor(/Say hello/);
  await proxy.kmi.stop();
  await terminal.waitFor(/^Proxy not running; `kmi proxy` starts it/m);
  await terminal.waitFor(/the proxy stopped/);
  const again = await startKmi(['proxy', '--foreground'], { env, cwd: proxy.home.root });
  const [, url = ''] = await again.waitForOutput(/serves (\S+)/);
  await terminal.waitFor(/^All 3/m);
  await terminal.waitFor(/the proxy started \(pid \d+\)/);
  await fetch(`${url}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'kimi-for-coding', messages: [{ role: 'user', content: 'Good to see you again' }] }),
  });
  await terminal.waitFor(/Good to see/);
});

it('a paused picture stays, and goes on with what came meanwhile', async () => {
  const { proxy, terminal } = await openWatch();
  await terminal.press('p');
  await terminal.waitFor(/paused .* 0 new/);
  await proxy.chat();
  await terminal.waitFor(/paused .* 1 new/);
  expect(await terminal.screen()).toContain('No requests yet');
  await terminal.press('p');
  await terminal.waitFor(/Say hello/);
});

it('another size is drawn at once, and no character of a full line is lost', async () => {
  const { proxy, terminal } = await openWatch({}, { columns: 120, rows: 30 });
  await proxy.chat();
  await terminal.waitFor(/Say hello/);
  for (const [columns, rows] of [
    [60, 16],
    [80, 24],
    [120, 40],
  ] as const) {
    await terminal.resize(columns, rows);
    await eventually(async () => {
      const lines = (await terminal.screen()).trimEnd().split('\n');
      expect(lines).toHaveLength(rows);
      expect(lines.at(-1)).toMatch(/^\? help .* p pause$/);
      expect(lines.every((line) => line.length <= columns)).toBe(true);
      return true;
    });
  }
  // The bottom line is as wide as this terminal.
  await terminal.resize(60, 20);
  await terminal.waitFor(/p pause$/m);
});

it('Ctrl+Z hands the terminal to the shell, fg shows the screen again, q ends it', async () => {
  const { terminal } = await openWatch();
  expect(await terminal.modes()).toEqual({ alternate: true, cursor: false });
  await terminal.press('C-z');
  await terminal.waitFor(/Stopped/);
  expect(await terminal.modes()).toEqual({ alternate: false, cursor: true });
  await terminal.type('fg; echo back $?');
  await terminal.waitFor(/All 3/);
  expect(await terminal.modes()).toEqual({ alternate: true, cursor: false });
  await terminal.press('q');
  await terminal.waitFor(/^back 0$/m);
  expect(await terminal.modes()).toEqual({ alternate: false, cursor: true });
});

it.each([
  ['SIGTERM', 143],
  ['SIGHUP', 129],
  ['SIGINT', 0],
] as const)('%s ends it and hands the terminal back', async (signal, code) => {
  const { proxy, terminal } = await openWatch();
  process.kill(pidOf(proxy.home.stateDir), signal);
  await terminal.waitFor(new RegExp(`^ended ${code}$`, 'm'));
  expect(await terminal.modes()).toEqual({ alternate: false, cursor: true });
});

it('an error on the way hands the terminal back and is told there', async () => {
  const { proxy, terminal } = await openWatch({}, { columns: 160 });
  await proxy.chat();
  await terminal.waitFor(/Say hello/);
  const trace = join(proxy.home.stateDir, 'trace', 'trace.jsonl');
  await rename(trace, `${trace}.1`);
  await mkdir(trace);
  expect(await terminal.waitFor(/^ended 1$/m)).toMatch(/The trace \S+ cannot be read \(EISDIR\)/);
  expect(await terminal.modes()).toEqual({ alternate: false, cursor: true });
});

it('without a terminal it prints a line for each request and each event', async () => {
  const { proxy, env } = await startWatched();
  const watching = await startKmi(['watch'], { env, cwd: proxy.home.root });
  await watching.waitForOutput(/^\d\d:\d\d:\d\d {2}All 3 \w+ can serve$/m);
  await proxy.chat();
  await watching.waitForOutput(/^\d\d:\d\d:\d\d +200 .* ada .*Say hello$/m);
  proxy.simulator.account('ada').faults.add('quota_5h', { times: 1 });
  await proxy.chat();
  await watching.waitForOutput(/^\d\d:\d\d:\d\d {2}ada: its quota is used up \(403\); ben served the request$/m);
  await watching.waitForOutput(/^\d\d:\d\d:\d\d {2}2 of 3 \w+ can serve; ada is back at /m);
  await proxy.kmi.stop();
  await watching.waitForOutput(/^\d\d:\d\d:\d\d {2}Proxy not running/m);
  expect(await watching.stop('SIGINT')).toEqual({ code: 0, signal: null });
  expect(watching.stdout()).not.toContain('\u001b');
  expect(watching.stderr()).toBe('');
});

it('a terminal that cannot place a cursor gets lines, too', async () => {
  const { proxy, env } = await startWatched();
  const terminal = await openTerminal({ env: { ...env, TERM: 'dumb' }, cwd: proxy.home.root });
  await terminal.type('TERM=dumb; export TERM; kmi watch');
  await terminal.waitFor(/^\d\d:\d\d:\d\d {2}All 3/m);
  expect((await terminal.modes()).alternate).toBe(false);
  await terminal.press('C-c');
  await terminal.waitFor(/ended 0/);
});

it('without keys, state or proxy it says what to do, and what was traced before is there', async () => {
  const home = await temporaryHome();
  await mkdir(join(home.stateDir, 'trace'), { recursive: true });
  await writeFile(join(home.stateDir, 'trace', 'trace.jsonl'), linesOf(traceEvents(3)));
  const terminal = await openTerminal({ env: home.env, cwd: home.root });
  await terminal.type('kmi watch');
  const screen = await terminal.waitFor(/^Proxy not running/m);
  expect(screen).toMatch(/12:00:02 +200/);
  await home.addKey({ label: 'zoe' });
  await terminal.waitFor(/zoe is a new key/);
});

it('every key of the screen is in the help of the command', async () => {
  const { stdout } = await runKmi(['watch', '--help']);
  expect(stdout.replace(/\s+/g, ' ')).toMatch(/up and down \(select\), f \(free.*n or Enter.*p \(pause\), \? and q/);
});

/** The process that has the screen open, told apart by the state folder in its environment. */
function pidOf(stateDir: string): number {
  const lines = execFileSync('ps', ['eww', '-A', '-o', 'pid=,command='], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  const line = lines.split('\n').find((entry) => /cli\.js watch/.test(entry) && entry.includes(stateDir));
  return Number(line?.trim().split(' ', 1)[0]);
}
