import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, get } from 'node:http';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { alivenessOf, commandLineOf } from '../../src/daemon/processes.ts';
import { cleanUp } from '../support/cleanup.ts';
import { freePort } from '../support/free-port.ts';
import { SELF_SIGNED } from '../support/self-signed.ts';
import { startKmi } from '../support/spawn.ts';
import { openTerminal } from '../support/tmux.ts';
import { daemonHome, daemonHomeWithPort, kill, liveHome, withoutProgress } from './daemon-home.ts';

const CHAT = JSON.stringify({ model: 'kimi-for-coding', stream: true, messages: [{ role: 'user', content: 'hello' }] });

/** Sends a streamed chat; resolves at its first byte. `whole` resolves with its text, rejects when it breaks off. */
async function openStream(proxyUrl: string): Promise<{ whole: Promise<string> }> {
  const response = await fetch(`${proxyUrl}/chat/completions`, { method: 'POST', body: CHAT });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const first = await reader.read();
  const rest = async () => {
    let text = new TextDecoder().decode(first.value);
    for (let part = await reader.read(); !part.done; part = await reader.read()) text += new TextDecoder().decode(part.value);
    return text;
  };
  const whole = rest();
  whole.catch(() => undefined);
  return { whole };
}

/** A process that lives and is none of ours. */
async function bystander(): Promise<number> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  await once(child, 'spawn');
  cleanUp(async () => kill(child.pid as number));
  return child.pid as number;
}

/** Holds the home's port with a server of our own that claims to be whoever it likes. */
async function holdPort(port: number, body: string): Promise<void> {
  const server = createServer((_request, response) => void response.end(body)).listen(port, '127.0.0.1');
  await once(server, 'listening');
  cleanUp(async () => void server.close().closeAllConnections());
}

function waitForEnd(pid: number): Promise<unknown> {
  return expect.poll(() => alivenessOf(pid), { timeout: 10_000 }).toBe('gone');
}

test('`kmi proxy` starts it in the background, says where it is, and ends', async () => {
  const { home } = await liveHome();
  const started = await home.kmi(['proxy'], { KMI_PROXY_TOKEN: 'token-that-is-a-secret' });
  const { code, stdout, stderr } = withoutProgress(started);
  const pid = (await home.pid()) as number;
  cleanUp(async () => kill(pid));
  expect(code).toBe(0);
  expect(stderr).toBe('Live: requests go to the upstream.\n');
  expect(stdout.split('\n')).toEqual([
    'kmi proxy runs in the background.',
    `  address  ${home.url()}`,
    `  pid      ${pid}`,
    '  keys     1 key, 1 ready',
    `  log      ${join(home.stateDir, 'logs', 'proxy.out')}`,
    '  client   kmi kimi, kmi run -- <command>, or eval "$(kmi env)"',
    '  stop     kmi stop',
    '',
  ]);
  expect(home.url()).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/kmi-rotor\/v1$/);
  const health = await fetch(new URL('/healthz', home.url()));
  expect(await health.json()).toMatchObject({ name: 'kmi', pid });
  for (const file of ['proxy.pid', 'logs/proxy.out']) {
    expect((await stat(join(home.stateDir, file))).mode & 0o777).toBe(0o600);
  }
  expect(await commandLineOf(pid)).not.toContain('secret');
  const stopped = withoutProgress(await home.kmi(['proxy-stop', '-y']));
  expect(stopped).toMatchObject({ code: 0, stdout: `The proxy (pid ${pid}) was stopped.\n`, stderr: '' });
  expect(await alivenessOf(pid)).toBe('gone');
  expect(await home.pid()).toBeNull();
  expect(await readFile(join(home.stateDir, 'logs', 'proxy.out'), 'utf8')).toMatch(/^\d{4}-.* starts\.\n(.*\n)+.*Stopped\.\n$/);
});

test('the background run reads the settings a foreground run would: .env of the folder and KMI_ENV_PATH relative to it', async () => {
  const home = await daemonHome();
  await home.addKey({ label: 'ada' });
  await writeFile(join(home.root, 'other.env'), 'KMI_PROXY_BASE_PATH=/other/v1\n');
  const { stdout } = await home.kmi(['proxy'], { KMI_ENV_PATH: 'other.env' });
  const pid = (await home.pid()) as number;
  cleanUp(async () => kill(pid));
  expect(stdout).toMatch(/http:\/\/127\.0\.0\.1:\d+\/other\/v1\n/);
  expect((await fetch(`${home.url()}/models`)).headers.get('x-kmi-dry-run')).toBe('true');
});

test('a second start finds the first and is content', async () => {
  const home = await daemonHomeWithPort();
  await home.addKey({ label: 'ada' });
  const pid = await home.start();
  const again = withoutProgress(await home.kmi(['proxy', '--daemon']));
  expect(again).toMatchObject({ code: 0, stderr: '' });
  expect(again.stdout).toContain('kmi proxy is already running.');
  expect(again.stdout).toContain(`pid      ${pid}, up `);
  expect(again.stdout).toContain(home.proxyUrl);
  const here = await home.kmi(['proxy', '--foreground']);
  expect(here.code).toBe(1);
  expect(here.stderr).toContain(`A kmi proxy (pid ${pid}) already serves on 127.0.0.1:${home.port}.`);
  expect(await home.pid()).toBe(pid);
});

test('--port is the port of this run, in the background and in the foreground; commands find it there', async () => {
  const home = await daemonHome();
  await home.addKey({ label: 'ada' });
  const port = await freePort();
  const started = await home.kmi(['start', '--port', String(port)]);
  const pid = (await home.pid()) as number;
  cleanUp(async () => kill(pid));
  expect(started.stdout).toContain(`address  http://127.0.0.1:${port}/kmi-rotor/v1`);
  expect(JSON.parse((await home.kmi(['status', '--json'])).stdout).proxy).toMatchObject({ running: true, port });
  expect((await home.kmi(['stop'])).code).toBe(0);
  const here = await startKmi(['proxy', '--foreground', '--port', String(port)], { env: home.env, cwd: home.root });
  await here.waitForOutput(new RegExp(`serves http://127\\.0\\.0\\.1:${port}/`));
  for (const wrong of ['0', '70000', 'http']) {
    const { code, stderr } = await home.kmi(['proxy', '--port', wrong]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('See `kmi proxy --help`.')]);
  }
});

test('of two starts at once one proxy comes out, and both succeed', async () => {
  const home = await daemonHomeWithPort();
  await home.addKey({ label: 'ada' });
  const both = await Promise.all([home.kmi(['proxy']), home.kmi(['proxy'])]);
  const pid = (await home.pid()) as number;
  cleanUp(async () => kill(pid));
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  for (const { stdout } of both) expect(stdout).toContain(`pid      ${pid}`);
});

test('a start that fails says why from its log and leaves nothing behind', async () => {
  const home = await daemonHome();
  await home.addKey({ label: 'ada' });
  const { code, stdout, stderr } = await home.kmi(['proxy'], { KMI_PROXY_LISTEN: '0.0.0.0:0' });
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain('kmi: 0.0.0.0 can be reached from other machines');
  expect(stderr).toContain('kmi: The proxy did not start: it ended with exit code 1.');
  expect(await home.pid()).toBeNull();
});

test('without keys it does not start; with the simulator asked for it does', async () => {
  const home = await daemonHome();
  const refused = await home.kmi(['proxy']);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(`There are no keys in ${home.authsDir}.`);
  const simulated = withoutProgress(await home.kmi(['proxy', '--simulate-without-keys']));
  const pid = (await home.pid()) as number;
  cleanUp(async () => kill(pid));
  expect(simulated).toMatchObject({ code: 0, stderr: 'Simulated upstream: there are no keys.\n' });
  expect(simulated.stdout).toContain('3 keys, 3 ready');
  expect(await (await openStream(home.url())).whole).toContain('[DONE]');
  expect((await home.kmi(['proxy-stop', '-y'])).code).toBe(0);
});

test('flags that contradict each other are bad usage', async () => {
  const home = await daemonHome();
  await home.addKey({ label: 'ada' });
  expect(await home.kmi(['proxy', '--daemon', '--foreground'])).toMatchObject({ code: 2, stdout: '' });
});

test('the proxy with its own TLS is found, told apart and stopped', async () => {
  const home = await daemonHome();
  await home.addKey({ label: 'ada' });
  await writeFile(join(home.root, 'cert.pem'), SELF_SIGNED.cert);
  await writeFile(join(home.root, 'key.pem'), SELF_SIGNED.key, { mode: 0o600 });
  const tls = { KMI_PROXY_TLS_CERT: join(home.root, 'cert.pem'), KMI_PROXY_TLS_KEY: join(home.root, 'key.pem') };
  const started = await home.kmi(['proxy'], tls);
  const pid = (await home.pid()) as number;
  cleanUp(async () => kill(pid));
  expect(started.stdout).toMatch(/https:\/\/127\.0\.0\.1:\d+\/kmi-rotor\/v1\n/);
  expect((await home.kmi(['proxy-stop', '-y'], tls)).stdout).toBe(`The proxy (pid ${pid}) was stopped.\n`);
});

test('stopping lets an open stream finish, says that it waits, and then it is gone', async () => {
  const { home, simulator } = await liveHome({ behaviour: { chunks: 12, chunkPauseMs: 150 } });
  const pid = await home.start();
  const { whole } = await openStream(home.url());
  const stopped = await home.kmi(['proxy-stop', '-y']);
  expect(stopped).toMatchObject({ code: 0, stdout: `The proxy (pid ${pid}) was stopped.\n` });
  expect(stopped.stderr).toMatch(/Open requests finish \(1 s\).*`kmi stop -f` cuts them off\./);
  expect(await whole).toContain('[DONE]');
  expect(simulator.account('ada').books.served).toBe(1);
});

test('a stop that takes too long can be cut short, though the proxy no longer answers', async () => {
  const { home } = await liveHome({ behaviour: { chunks: 1000, chunkPauseMs: 100 } });
  const pid = await home.start();
  const { whole } = await openStream(home.url());
  const waiting = await startKmi(['proxy-stop', '-y'], { env: home.env, cwd: home.root });
  await waiting.waitForOutput(/Open requests finish/);
  expect(await waiting.stop('SIGINT')).toMatchObject({ signal: 'SIGINT' });
  expect(await alivenessOf(pid)).toBe('alive');
  const forced = await home.kmi(['proxy-stop', '-y', '-f']);
  expect(forced).toMatchObject({ code: 0, stdout: `The proxy (pid ${pid}) was killed.\n` });
  expect(forced.stderr).toContain(`The proxy (pid ${pid}) is stopping`);
  await expect(whole).rejects.toThrow();
  expect(await home.pid()).toBeNull();
});

test('it stops without a question, in a terminal and out of one; -y of older scripts is accepted', async () => {
  const home = await daemonHome();
  await home.addKey({ label: 'ada' });
  expect(await home.kmi(['proxy-stop'])).toMatchObject({ code: 0, stdout: 'The proxy does not run.\n' });
  for (const args of [['proxy-stop'], ['stop'], ['proxy-stop', '-y'], ['stop', '--yes']]) {
    const pid = await home.start();
    expect(await home.kmi(args)).toMatchObject({ code: 0, stdout: `The proxy (pid ${pid}) was stopped.\n` });
    expect(await alivenessOf(pid)).toBe('gone');
  }
  const pid = await home.start();
  const terminal = await openTerminal({ env: home.env, cwd: home.root, columns: 120 });
  await terminal.type('kmi restart');
  await terminal.waitFor(/was stopped\.\n(.|\n)*runs in the background(.|\n)*ended 0/);
  const next = (await home.pid()) as number;
  cleanUp(async () => kill(next));
  expect(next).not.toBe(pid);
  await terminal.typeAfresh('kmi stop');
  await terminal.waitFor(/was stopped\.\n+ended 0/);
  expect(await alivenessOf(next)).toBe('gone');
});

test('a foreground proxy can be stopped from elsewhere, and its own file goes with it', async () => {
  const home = await daemonHome();
  await home.addKey({ label: 'ada' });
  const proxy = await startKmi(['proxy', '--foreground'], { env: home.env, cwd: home.root });
  await proxy.waitForOutput(/serves/);
  expect(await home.pid()).toBe(proxy.child.pid);
  expect((await home.kmi(['proxy-stop', '-y'])).code).toBe(0);
  expect(await proxy.ended).toEqual({ code: 0, signal: null });
  expect(await home.pid()).toBeNull();
});

test('a second signal ends what the first lets finish', async () => {
  const { home } = await liveHome({ behaviour: { chunks: 1000, chunkPauseMs: 100 } });
  const proxy = await startKmi(['proxy', '--foreground'], { env: home.env, cwd: home.root });
  const [, url = ''] = await proxy.waitForOutput(/serves (\S+)/);
  const { whole } = await openStream(url);
  // The first save of the state brings a library that listens for signals too; it must not end the process.
  await expect
    .poll(() =>
      stat(join(home.stateDir, 'state.json')).then(
        () => true,
        () => false,
      ),
    )
    .toBe(true);
  proxy.child.kill('SIGTERM');
  await proxy.waitForOutput(/Stopping: open requests finish first/);
  expect(await proxy.stop('SIGINT')).toEqual({ code: 0, signal: null });
  await expect(whole).rejects.toThrow();
});

test('a killed proxy is told from one that was never started, and the next start says so', async () => {
  const home = await daemonHome();
  await home.addKey({ label: 'ada' });
  const first = await home.start();
  kill(first);
  await waitForEnd(first);
  const stop = await home.kmi(['proxy-stop', '-y']);
  expect(stop.code).toBe(0);
  expect(stop.stdout).toContain(`its process ${first} ended without being stopped`);
  expect(await home.pid()).toBeNull();
  const second = await home.start();
  kill(second);
  await waitForEnd(second);
  const third = await home.kmi(['proxy']);
  cleanUp(async () => kill((await home.pid()) as number));
  expect(third.code).toBe(0);
  expect(third.stderr).toContain(`its process ${second} ended without being stopped`);
});

test('a stale pid whose number now belongs to another program is never signalled', async () => {
  const home = await daemonHome();
  await home.addKey({ label: 'ada' });
  const other = await bystander();
  await mkdir(home.stateDir);
  await writeFile(join(home.stateDir, 'proxy.pid'), `${other}\n`);
  const stop = await home.kmi(['proxy-stop', '-y', '-f']);
  expect(stop.code).toBe(1);
  expect(stop.stderr).toContain(`the process ${other} named in proxy.pid is running`);
  expect(stop.stderr).toContain('Nothing was signalled.');
  const pid = await home.start();
  expect(await home.pid()).toBe(pid);
  expect(await alivenessOf(other)).toBe('alive');
});

test.each([
  ['a stranger', () => '<html></html>', /Another program holds 127\.0\.0\.1:\d+ \(it answered with HTTP 200\)/],
  [
    'one that claims to be kmi under its own pid',
    fakeHealth,
    /A kmi proxy with pid \d+ answers .*but proxy\.pid names the process/,
  ],
])('%s on the port is neither signalled nor taken for ours', async (_, body, words) => {
  const home = await daemonHomeWithPort();
  await home.addKey({ label: 'ada' });
  const other = await bystander();
  await mkdir(home.stateDir);
  await writeFile(join(home.stateDir, 'proxy.pid'), `${other}\n`);
  await holdPort(home.port, body());
  const stop = await home.kmi(['proxy-stop', '-y', '-f']);
  expect(stop.code).toBe(1);
  expect(stop.stderr).toMatch(words);
  expect(await alivenessOf(other)).toBe('alive');
});

/** As a proxy in a container would answer, whose numbers mean nothing here; this test's own process must survive it. */
function fakeHealth(): string {
  const keys = { total: 1, ready: 1, cooldown: 0, out: 0 };
  return JSON.stringify({ status: 'ok', name: 'kmi', version: '9.9.9', pid: process.pid, uptime_seconds: 1, keys });
}

test.runIf(process.platform === 'linux')(
  'a pid that file and /healthz agree on is not signalled when that process is another program',
  async () => {
    const home = await daemonHomeWithPort();
    const other = await bystander();
    await mkdir(home.stateDir);
    await writeFile(join(home.stateDir, 'proxy.pid'), `${other}\n`);
    await holdPort(home.port, fakeHealth().replace(`"pid":${process.pid}`, `"pid":${other}`));
    const stop = await home.kmi(['proxy-stop', '-y', '-f']);
    expect(stop.code).toBe(1);
    expect(stop.stderr).toContain('it may run in a container');
    expect(await alivenessOf(other)).toBe('alive');
  },
);

test('a port held by a stranger is explained at the start, in both modes', async () => {
  const home = await daemonHomeWithPort();
  await home.addKey({ label: 'ada' });
  await holdPort(home.port, 'hello');
  const background = await home.kmi(['proxy']);
  expect(background.code).toBe(1);
  expect(background.stderr).toMatch(/Another program holds .*\n.*kmi config set KMI_PROXY_LISTEN/);
  const foreground = await home.kmi(['proxy', '--foreground']);
  expect(foreground.code).toBe(1);
  expect(foreground.stderr).toContain('taken by another program');
});

test('a proxy whose files were deleted is named, with the way to end it by hand', async () => {
  const home = await daemonHomeWithPort();
  await home.addKey({ label: 'ada' });
  const pid = await home.start();
  await rm(join(home.stateDir, 'proxy.pid'));
  await rm(join(home.stateDir, 'proxies'), { recursive: true });
  const stop = await home.kmi(['proxy-stop', '-y']);
  expect(stop.code).toBe(1);
  expect(stop.stderr).toContain(`\`kill ${pid}\``);
  expect((await home.kmi(['proxy'])).stderr).toContain('no proxy.pid says');
});

test('a proxy whose pid file was deleted, or names another program, is still known by its record', async () => {
  const home = await daemonHome();
  await home.addKey({ label: 'ada' });
  const pid = await home.start();
  await writeFile(join(home.stateDir, 'proxy.pid'), `${await bystander()}\n`);
  expect((await home.kmi(['proxy-stop', '-y'])).stdout).toBe(`The proxy (pid ${pid}) was stopped.\n`);
  const next = await home.start();
  await rm(join(home.stateDir, 'proxy.pid'));
  expect((await home.kmi(['proxy-stop', '-y'])).stdout).toBe(`The proxy (pid ${next}) was stopped.\n`);
});

test('`proxy-restart` replaces the process, and starts one when none runs', async () => {
  const home = await daemonHome();
  await home.addKey({ label: 'ada' });
  expect((await home.kmi(['proxy-restart', '-y'])).code).toBe(0);
  const first = (await home.pid()) as number;
  cleanUp(async () => kill(first));
  const again = await home.kmi(['proxy-restart', '-y', '-f']);
  const second = (await home.pid()) as number;
  cleanUp(async () => kill(second));
  expect(again, again.stderr).toMatchObject({ code: 0 });
  expect(again.stdout).toContain(`The proxy (pid ${first}) was killed.`);
  expect(again.stdout).toContain(`pid      ${second}`);
  expect([await alivenessOf(first), await alivenessOf(second)]).toEqual(['gone', 'alive']);
});

test('the background proxy outlives the terminal it was started from', async () => {
  const home = await daemonHome();
  await home.addKey({ label: 'ada' });
  const terminal = await openTerminal({ env: home.env, cwd: home.root });
  await terminal.type('kmi proxy');
  await terminal.waitFor(/runs in the background(.|\n)*ended 0/);
  const url = /address +(\S+)/.exec(await terminal.screen())?.[1] ?? '';
  const pid = (await home.pid()) as number;
  cleanUp(async () => kill(pid));
  await terminal.type('exec sleep 0');
  await expect
    .poll(
      () =>
        terminal.screen().then(
          () => false,
          () => true,
        ),
      { timeout: 15_000 },
    )
    .toBe(true);
  const response = await new Promise((resolve) => get(new URL('/healthz', url), resolve));
  expect(response).toMatchObject({ statusCode: 200 });
});
