import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { alivenessOf } from '../../src/daemon/processes.ts';
import { cleanUp } from '../support/cleanup.ts';
import { freePort } from '../support/free-port.ts';
import { startKmi } from '../support/spawn.ts';
import { type DaemonHome, daemonHome, daemonHomeWithPort, kill, withoutProgress } from './daemon-home.ts';

/** A home whose settings name port 0, and its proxy in the background. */
async function started(): Promise<{ home: DaemonHome; pid: number; url: string }> {
  const home = await daemonHome({ KMI_PROXY_LISTEN: '127.0.0.1:0' });
  await home.addKey({ label: 'ada' });
  const pid = await home.start();
  return { home, pid, url: home.url() };
}

/** A home whose settings name one port, and its proxy, which was given another. */
async function startedWithPort(): Promise<{ home: DaemonHome; port: number }> {
  const home = await daemonHomeWithPort();
  await home.addKey({ label: 'ada' });
  const port = await freePort();
  expect(await home.kmi(['start', '--port', String(port)])).toMatchObject({ code: 0 });
  cleanUp(async () => kill((await home.pid()) as number));
  return { home, port };
}

const proxyOf = async (home: DaemonHome) => JSON.parse((await home.kmi(['status', '--json'])).stdout).proxy;

test('with port 0 the background proxy takes any free port and prints it, and every command finds it there', async () => {
  const { home, pid, url } = await started();
  const { port } = new URL(url);
  expect(Number(port)).toBeGreaterThan(0);
  expect(await (await fetch(new URL('/healthz', url))).json()).toMatchObject({ name: 'kmi', pid });
  expect(await proxyOf(home)).toMatchObject({ running: true, url, port: Number(port), pids: [pid] });
  expect((await home.kmi(['env', '--shell', 'bash'])).stdout).toContain(`export OPENAI_BASE_URL='${url}'`);
  expect((await home.kmi(['e2e', '-n', '2', '--pause', '0'])).stderr).toContain(`Asking the proxy at ${new URL(url).origin}`);
  const again = withoutProgress(await home.kmi(['proxy']));
  expect(again).toMatchObject({ code: 0, stderr: '' });
  expect(again.stdout).toMatch(/^kmi proxy is already running\.\n/);
  expect(home.url()).toBe(url);
  expect((await home.kmi(['proxy-stop', '-y'])).stdout).toBe(`The proxy (pid ${pid}) was stopped.\n`);
  expect(await alivenessOf(pid)).toBe('gone');
  expect((await home.kmi(['proxy-stop', '-y'])).stdout).toBe('The proxy does not run.\n');
});

test('before the proxy runs nobody is sent to port 0', async () => {
  const home = await daemonHome({ KMI_PROXY_LISTEN: '127.0.0.1:0' });
  await home.addKey({ label: 'ada' });
  const early = await home.kmi(['env', '--shell', 'bash']);
  expect([early.code, early.stdout]).toEqual([1, '']);
  expect(early.stderr).toMatch(/^kmi: No proxy runs, and KMI_PROXY_LISTEN names port 0: .*\n +Start it with `kmi proxy`\.\n$/);
  expect((await home.kmi(['init', '--yes'])).stdout).not.toContain(':0');
});

test('a client that the proxy is started for is given the port that was bound', async () => {
  const home = await daemonHome({ KMI_PROXY_LISTEN: '127.0.0.1:0' });
  await home.addKey({ label: 'ada' });
  const ask = ['run', '--', process.execPath, '-p', 'process.env.OPENAI_BASE_URL'];
  const first = await home.kmi(ask);
  const pid = (await home.pid()) as number;
  cleanUp(async () => kill(pid));
  const { port } = new URL(first.stdout.trim());
  expect(Number(port)).toBeGreaterThan(0);
  expect(await (await fetch(`http://127.0.0.1:${port}/healthz`)).json()).toMatchObject({ pid });
  expect((await home.kmi(ask)).stdout).toBe(first.stdout);
});

test('a port that the system chose is no difference of settings; anything else still is, and names the real address', async () => {
  const { home, url } = await started();
  expect((await home.kmi(['status'])).stdout).not.toContain('KMI_PROXY_LISTEN');
  const other = await home.kmi(['proxy'], { KMI_PROXY_BASE_PATH: '/other/v1' });
  expect(other.code).toBe(1);
  const note = other.stderr.replace(/\s+/g, ' ');
  expect(note).toContain('differ in KMI_PROXY_BASE_PATH.');
  expect(note).toContain(`These would serve ${new URL('/other/v1', url).href}.`);
  const elsewhere = await home.kmi(['proxy'], { KMI_PROXY_LISTEN: '127.0.0.2:0' });
  expect([elsewhere.code, elsewhere.stderr]).toEqual([1, expect.stringContaining('differ in KMI_PROXY_LISTEN')]);
});

test('a restart keeps the port that clients know', async () => {
  const { home, pid, url } = await started();
  for (const args of [
    ['proxy-restart', '-y'],
    ['proxy-restart', '-y', '--here'],
    ['proxy-restart', '-y', '-f'],
  ]) {
    const before = await home.pid();
    const restarted = await home.kmi(args);
    const next = (await home.pid()) as number;
    cleanUp(async () => kill(next));
    expect(restarted, restarted.stderr).toMatchObject({ code: 0 });
    expect(home.url()).toBe(url);
    expect(next).not.toBe(before);
    expect(await (await fetch(new URL('/healthz', url))).json()).toMatchObject({ pid: next });
  }
  expect(await alivenessOf(pid)).toBe('gone');
});

test('starts at the same moment make one proxy, and each says where it is', async () => {
  const home = await daemonHome({ KMI_PROXY_LISTEN: '127.0.0.1:0' });
  await home.addKey({ label: 'ada' });
  const ask = ['run', '--', process.execPath, '-p', 'process.env.OPENAI_BASE_URL'];
  const [one, two, client] = await Promise.all([home.kmi(['proxy', '--json']), home.kmi(['start', '--json']), home.kmi(ask)]);
  cleanUp(async () => kill((await home.pid()) as number));
  const proxies = [one, two].map(({ stdout }) => JSON.parse(stdout));
  expect([one.code, two.code, client.code]).toEqual([0, 0, 0]);
  expect(proxies[0]).toMatchObject({ url: proxies[1].url, pid: proxies[1].pid });
  expect(client.stdout.trim()).toBe(proxies[0].url);
  expect(await readdir(join(home.stateDir, 'proxies'))).toEqual([`${proxies[0].pid}.json`]);
  expect(await readdir(home.stateDir)).not.toContain('proxy.start.lock');
});

test('a restart keeps the port that --port gave, and says so; the settings differ in nothing', async () => {
  const { home, port } = await startedWithPort();
  const url = `http://127.0.0.1:${port}/kmi-rotor/v1`;
  for (const args of [['restart'], ['restart', '-f']]) {
    const restarted = await home.kmi(args);
    const next = (await home.pid()) as number;
    cleanUp(async () => kill(next));
    expect(restarted).toMatchObject({ code: 0, stderr: expect.stringContaining(`It keeps port ${port}, which --port gave it.`) });
    expect(home.url()).toBe(url);
    expect((await proxyOf(home)).url).toBe(url);
  }
  expect((await home.kmi(['status'])).stdout).not.toContain('KMI_PROXY_LISTEN');
  // It is not where the settings say, and a script that goes by them must know.
  const again = await home.kmi(['start']);
  expect([again.code, home.url()]).toEqual([1, url]);
  expect(again.stderr.replace(/\s+/g, ' ')).toContain('it was started with --port, so it does not serve http://127.0.0.1:');
  expect(await home.kmi(['start', '--port', String(port)])).toMatchObject({ code: 0 });
});

test('after a proxy that was killed the next start is told of it and takes a port of its own', async () => {
  const { home, pid } = await started();
  kill(pid);
  await expect.poll(() => alivenessOf(pid), { timeout: 10_000 }).toBe('gone');
  expect(await proxyOf(home)).toMatchObject({ running: false });
  const next = await home.kmi(['proxy']);
  cleanUp(async () => kill((await home.pid()) as number));
  expect(next.code).toBe(0);
  expect(next.stderr).toContain(`its process ${pid} ended without being stopped`);
  expect(await proxyOf(home)).toMatchObject({ running: true, url: home.url() });
});

test('a start in the background finds the foreground proxy of its state folder', async () => {
  const home = await daemonHome({ KMI_PROXY_LISTEN: '127.0.0.1:0' });
  await home.addKey({ label: 'ada' });
  const proxy = await startKmi(['proxy', '--foreground'], { env: home.env, cwd: home.root });
  const [, url] = await proxy.waitForOutput(/serves (\S+)/);
  const again = await home.kmi(['proxy']);
  expect([again.code, home.url()]).toEqual([0, url]);
  expect(again.stdout).toContain('is already running');
  expect(await readdir(join(home.stateDir, 'proxies'))).toEqual([`${proxy.child.pid}.json`]);
});
