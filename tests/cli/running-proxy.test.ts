import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { cleanUp } from '../support/cleanup.ts';
import { freePort } from '../support/free-port.ts';
import { type HomeWithPort, homeWithPort } from '../support/home.ts';
import { type RunningKmi, runKmi, startKmi } from '../support/spawn.ts';
import { kill } from './daemon-home.ts';

const KEY = 'sk-kimi-ada-0123456789abcdef';

type Place = {
  readonly home: HomeWithPort;
  /** Where the proxy was started. */
  readonly folder: string;
  readonly proxy: RunningKmi;
  /** Runs a command in another folder, with nothing but the home in its environment. */
  readonly elsewhere: (args: readonly string[], env?: Record<string, string>) => ReturnType<typeof runKmi>;
};

/** A foreground proxy with its settings and keys in a folder of its own, as somebody keeps it. */
async function proxyInItsFolder(
  settings: Record<string, string> = {},
  args: readonly string[] = [],
  shell: Record<string, string> = {},
): Promise<Place> {
  const home = await homeWithPort();
  const simulator = await startSimulator({ accounts: [{ name: 'ada', keys: [KEY] }] });
  cleanUp(() => simulator.close());
  const folder = join(home.root, 'kmi');
  const project = join(home.root, 'project');
  await mkdir(join(folder, '_auths'), { recursive: true });
  await mkdir(project);
  if (args.length === 0) await writeFile(join(folder, '_auths', 'ada.env'), `KMI_API_KEY=${KEY}\n`, { mode: 0o600 });
  const all = {
    KMI_DRY_RUN: '0',
    KMI_UPSTREAM_BASE_URL: simulator.baseUrl,
    KMI_PROXY_LISTEN: `127.0.0.1:${home.port}`,
    KMI_AUTO_ROTATE_ALLOWED: '1',
    ...settings,
  };
  await writeFile(
    join(folder, '.env'),
    Object.entries(all)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );
  const env = { HOME: home.root };
  const proxy = await startKmi(['proxy', '--foreground', ...args], { env: { ...env, ...shell }, cwd: folder });
  await proxy.waitForOutput(/Point a client/);
  const elsewhere: Place['elsewhere'] = (line, more = {}) => runKmi(line, { env: { ...env, ...more }, cwd: project });
  return { home, folder, proxy, elsewhere };
}

async function status({ elsewhere }: Place, env: Record<string, string> = {}) {
  return JSON.parse((await elsewhere(['status', '--json'], env)).stdout);
}

describe('in another folder', () => {
  it('every command speaks of the proxy that runs: mode, address, keys, rotation, upstream', async () => {
    const place = await proxyInItsFolder();
    const { home, folder, elsewhere } = place;
    expect(await status(place)).toMatchObject({
      mode: 'live',
      proxy: { running: true, url: home.proxyUrl },
      upstream: expect.stringContaining('127.0.0.1'),
      keys: { total: 1 },
      active_key: 'ada',
    });
    const shown = (await elsewhere(['status'])).stdout;
    expect(shown).toMatch(/^Proxy {2}running at \S+, up .*, live, manual\n +Its settings are those of .*kmi\/\.env\.\n/);
    expect(shown).not.toContain('There are no keys');
    expect(JSON.parse((await elsewhere(['keys', 'list', '--json'])).stdout)).toMatchObject({
      auths_dir: join(folder, '_auths'),
      keys: [{ label: 'ada' }],
    });
    expect(JSON.parse((await elsewhere(['health', '--json'])).stdout)).toMatchObject({
      mode: 'live',
      keys: [{ label: 'ada', error: null }],
    });
    expect((await elsewhere(['env', '--shell', 'bash'])).stdout).toContain(home.proxyUrl);
    expect((await elsewhere(['rotate', 'auto'], { KMI_AUTO_ROTATE_E2E: '0' })).stdout).toContain('Auto-rotation is on');
    expect((await status(place)).rotation.auto_rotate).toBe(true);
    const doctor = JSON.parse((await elsewhere(['doctor', '--json'])).stdout);
    expect(doctor.mode).toBe('live');
    const found = (check: string) => doctor.checks.find((row: { check: string }) => row.check === check);
    expect(found('proxy_settings').details).toEqual(expect.arrayContaining(['KMI_DRY_RUN', 'KMI_AUTHS_DIR', 'KMI_PROXY_LISTEN']));
    expect(JSON.stringify(doctor)).not.toContain('There are no keys');
    expect((await elsewhere(['e2e', '-n', '2', '--pause', '0'])).stderr).toContain(
      `Asking the proxy at http://127.0.0.1:${home.port}`,
    );
    const said = (await elsewhere(['run', '--', 'true'])).stderr;
    expect(said).not.toMatch(/dry-run|simulated/);
  });

  it('a shell that says otherwise changes nothing of that', async () => {
    const place = await proxyInItsFolder({ KMI_DRY_RUN: '1' });
    expect(await status(place, { KMI_DRY_RUN: '0', KMI_PROXY_LISTEN: `127.0.0.1:${await freePort()}` })).toMatchObject({
      mode: 'dry-run',
      proxy: { running: true, url: place.home.proxyUrl },
      keys: { total: 1 },
    });
  });

  it('a key is added where the proxy looks; an _auths of the folder goes before that, and is said to be another', async () => {
    const { folder, home, elsewhere } = await proxyInItsFolder();
    const project = join(home.root, 'project');
    const run = (args: readonly string[]) =>
      runKmi(args, { env: { HOME: home.root }, cwd: project, stdin: 'sk-kimi-new-0123456789' });
    expect((await run(['keys', 'add', 'new', '--no-test'])).stdout).toContain('A running proxy uses it within a second.');
    expect(await readdir(join(folder, '_auths'))).toEqual(['ada.env', 'new.env']);
    await mkdir(join(project, '_auths'));
    await writeFile(join(project, '_auths', 'own.env'), 'KMI_API_KEY=sk-kimi-own-0123456789\n', { mode: 0o600 });
    const list = await elsewhere(['keys']);
    expect(list.stdout).toContain('own');
    expect(list.stderr.replace(/\s+/g, ' ')).toContain('The running proxy reads its keys from');
  });

  it('the token is read where the proxy read it, and stands in no record', async () => {
    const { home, elsewhere } = await proxyInItsFolder({
      KMI_PROXY_TOKEN: 'a-long-random-token',
      KMI_UPSTREAM_PROXY: 'http://me:hunter2@127.0.0.1:9',
    });
    const [record] = await readdir(join(home.root, '.kmi', 'proxies'));
    const path = join(home.root, '.kmi', 'proxies', record as string);
    expect(await readFile(path, 'utf8')).not.toMatch(/a-long-random-token|hunter2|0123456789/);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await elsewhere(['env', '--shell', 'bash'])).stdout).toContain('a-long-random-token');
  });

  it('a token that only the shell of the proxy knew is missed before anything is sent with none', async () => {
    const place = await proxyInItsFolder({}, [], { KMI_PROXY_TOKEN: 'a-long-random-token' });
    const lacks = 'the proxy asks for a token, and no setting here holds it. Set KMI_PROXY_TOKEN.';
    const env = await place.elsewhere(['env', '--shell', 'bash']);
    expect([env.code, env.stderr]).toEqual([0, `kmi: ${lacks}\n`]);
    expect((await place.elsewhere(['run', '--', 'true'])).stderr).toContain(lacks);
    const check = await place.elsewhere(['e2e', '-n', '2', '--pause', '0']);
    expect([check.code, check.stdout, check.stderr]).toEqual([
      1,
      '',
      expect.stringMatching(/^kmi: The proxy asks for a token, and no setting here holds it\. Nothing was sent\.\n/),
    ]);
    const known = { KMI_PROXY_TOKEN: 'a-long-random-token' };
    expect((await place.elsewhere(['env', '--shell', 'bash'], known)).stderr).toBe('');
    expect((await place.elsewhere(['e2e', '-n', '2', '--pause', '0'], known)).code).toBe(0);
  });

  it('a simulated proxy shows its own accounts, and real keys stay out of it', async () => {
    const place = await proxyInItsFolder({}, ['--simulate-without-keys']);
    expect(await status(place)).toMatchObject({ mode: 'simulated', keys: { total: 3 }, active_key: 'ada' });
    expect((await place.elsewhere(['run', '--', 'true'])).stderr).toContain('simulated: the proxy has no keys');
    const keys = await place.elsewhere(['keys']);
    expect(keys.stdout).toContain('There are no keys in');
    expect(keys.stderr).toContain('The running proxy is a simulation');
  });

  it('a proxy with a state folder elsewhere is not denied, by what it tells whoever asks', async () => {
    const place = await proxyInItsFolder({ KMI_STATE_DIR: './state' });
    const here = { KMI_PROXY_LISTEN: `127.0.0.1:${place.home.port}` };
    expect(await status(place, here)).toMatchObject({ mode: 'live', proxy: { running: true } });
    const shown = await place.elsewhere(['status'], here);
    expect([shown.code, shown.stdout.replace(/[│\s]+/g, ' ')]).toEqual([
      0,
      expect.stringContaining('keeps its state in another folder'),
    ]);
    expect(shown.stdout).not.toContain('There are no keys');
    expect((await place.elsewhere(['run', '--', 'true'], here)).stderr).not.toMatch(/dry-run/);
  });

  it('without a running proxy, and after one that was killed, the settings are those of the folder', async () => {
    const place = await proxyInItsFolder();
    await place.proxy.stop('SIGKILL');
    expect(await status(place)).toMatchObject({ mode: 'dry-run', proxy: { running: false }, keys: { total: 0 } });
  });
});

describe('after a change of KMI_PROXY_LISTEN', () => {
  it('the old proxy is found, named with what differs, and replaced', async () => {
    const { home, folder, proxy, elsewhere } = await proxyInItsFolder();
    const port = await freePort();
    const text = await readFile(join(folder, '.env'), 'utf8');
    await writeFile(join(folder, '.env'), text.replace(`:${home.port}`, `:${port}`).replace('KMI_DRY_RUN=0', 'KMI_DRY_RUN=1'));
    const run = (args: readonly string[]) => runKmi(args, { env: { HOME: home.root }, cwd: folder });
    const again = await run(['proxy']);
    expect(again.code).toBe(1);
    expect(again.stdout).toContain(`pid      ${proxy.child.pid}`);
    expect(again.stdout).toContain(home.proxyUrl);
    const note = again.stderr.replace(/\s+/g, ' ');
    expect(note).toContain('differ in KMI_PROXY_LISTEN, KMI_DRY_RUN.');
    expect(note).toContain(`These would serve http://127.0.0.1:${port}/kmi-rotor/v1. \`kmi restart\` applies them.`);
    const restarted = await run(['proxy-restart', '-y']);
    const pid = Number(await readFile(join(home.root, '.kmi', 'proxy.pid'), 'utf8'));
    cleanUp(async () => kill(pid));
    expect(restarted.stdout).toContain(`The proxy (pid ${proxy.child.pid}) was stopped.`);
    expect(restarted.stdout).toContain(`http://127.0.0.1:${port}/kmi-rotor/v1`);
    expect((await elsewhere(['proxy-stop', '-y'])).stdout).toBe(`The proxy (pid ${pid}) was stopped.\n`);
    expect(await readdir(join(home.root, '.kmi', 'proxies'))).toEqual([]);
  });

  it('of two foreground proxies each is found by its address, and both can be stopped', async () => {
    const { home, folder, proxy, elsewhere } = await proxyInItsFolder();
    const port = await freePort();
    const env = { HOME: home.root, KMI_PROXY_LISTEN: `127.0.0.1:${port}` };
    const second = await startKmi(['proxy', '--foreground'], { env, cwd: folder });
    await second.waitForOutput(/Another proxy of this state folder \(pid \d+\) serves/);
    await second.waitForOutput(/Point a client/);
    const stopped = await elsewhere(['proxy-stop', '-y'], { KMI_PROXY_LISTEN: env.KMI_PROXY_LISTEN });
    expect(stopped.stdout).toBe(`The proxy (pid ${second.child.pid}) was stopped.\n`);
    expect((await elsewhere(['proxy-stop', '-y'])).stdout).toBe(`The proxy (pid ${proxy.child.pid}) was stopped.\n`);
    expect((await elsewhere(['proxy-stop', '-y'])).stdout).toBe('The proxy does not run.\n');
  });

  it('a foreground proxy on a port of the system is found by the port it got', async () => {
    const { home, elsewhere, proxy } = await proxyInItsFolder({ KMI_PROXY_LISTEN: '127.0.0.1:0' });
    const url = /serves (\S+)/.exec(proxy.output())?.[1];
    expect(JSON.parse((await elsewhere(['status', '--json'])).stdout).proxy).toMatchObject({ running: true, url });
    expect(home.proxyUrl).not.toBe(url);
  });

  it('a record that was forged, or whose number is another program, is not believed', async () => {
    const place = await proxyInItsFolder();
    const folder = join(place.home.root, '.kmi', 'proxies');
    const [name] = (await readdir(folder)) as [string];
    const record = JSON.parse(await readFile(join(folder, name), 'utf8'));
    await place.proxy.stop('SIGTERM');
    for (const text of [JSON.stringify({ ...record, pid: process.pid }), '{"pid":1}', 'nonsense', '[]', 'null']) {
      await writeFile(join(folder, `${process.pid}.json`), text, { mode: 0o600 });
      expect((await place.elsewhere(['proxy-stop', '-y', '-f'])).stdout).toBe('The proxy does not run.\n');
    }
  });
});

describe('`proxy-restart`', () => {
  const pids = (home: HomeWithPort) => readdir(join(home.root, '.kmi', 'proxies'));

  /** A key in the home, so that a restart from any folder could start. */
  async function addHomeKey(home: HomeWithPort): Promise<void> {
    const auths = join(home.root, '.kmi', '_auths');
    await mkdir(auths, { recursive: true, mode: 0o700 });
    await writeFile(join(auths, 'own.env'), 'KMI_API_KEY=sk-kimi-own-0123456789\n', { mode: 0o600 });
  }

  it.each([
    ['no key', {}, /There are no keys in/],
    ['an address for others', { KMI_PROXY_LISTEN: '0.0.0.0:1' }, /can be reached from other machines/],
    ['no certificate', { KMI_PROXY_TLS_CERT: '/nowhere.pem', KMI_PROXY_TLS_KEY: '/nowhere.pem' }, /TLS certificate/],
    ['itself as the upstream', { KMI_PROXY_LISTEN: '127.0.0.1:9', KMI_UPSTREAM_BASE_URL: 'http://127.0.0.1:9/v1' }, /itself/],
  ])('that could not start for %s leaves the old proxy running', async (what, env, reason) => {
    const { home, proxy, elsewhere } = await proxyInItsFolder();
    if (what !== 'no key') await addHomeKey(home);
    const { code, stdout, stderr } = await elsewhere(['proxy-restart', '-y', '--here'], env);
    expect([stderr, stdout]).toEqual([expect.stringMatching(reason), '']);
    expect(code).toBeGreaterThan(0);
    expect(proxy.child.exitCode).toBe(null);
    expect(await pids(home)).toEqual([`${proxy.child.pid}.json`]);
  });

  it('that could not start for a taken port leaves the old proxy running', async () => {
    const { home, proxy, elsewhere } = await proxyInItsFolder();
    await addHomeKey(home);
    const stranger = await startSimulator({ accounts: [{ name: 'x', keys: ['sk-x'] }] });
    cleanUp(() => stranger.close());
    const { code, stderr } = await elsewhere(['proxy-restart', '-y', '--here'], {
      KMI_PROXY_LISTEN: new URL(stranger.baseUrl).host,
    });
    expect([code, proxy.child.exitCode]).toEqual([1, null]);
    expect(stderr).toContain('Another program');
  });

  it('from a folder with other settings is refused until --here permits it', async () => {
    const { home, folder, proxy, elsewhere } = await proxyInItsFolder({ KMI_PROXY_TOKEN: 'a-long-random-token' });
    await addHomeKey(home);
    for (const args of [['proxy-restart', '-y'], ['proxy-restart']]) {
      const refused = await elsewhere(args, { KMI_PROXY_LISTEN: `127.0.0.1:${home.port}` });
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain(
        'would change KMI_DRY_RUN, KMI_AUTHS_DIR, KMI_UPSTREAM_BASE_URL, KMI_PROXY_TOKEN. It was not stopped.',
      );
      expect(refused.stderr).toMatch(/Restart it in .*kmi, or add --here/);
    }
    const other = join(home.root, 'other.env');
    await writeFile(other, (await readFile(join(folder, '.env'), 'utf8')).replace('a-long-random-token', 'quite-another-token'));
    const otherToken = await elsewhere(['proxy-restart', '-y'], {
      KMI_ENV_PATH: other,
      KMI_AUTHS_DIR: join(folder, '_auths'),
    });
    expect(otherToken.stderr).toContain('would change KMI_PROXY_TOKEN. It was not stopped.');
    expect(proxy.child.exitCode).toBe(null);
    const permitted = await elsewhere(['proxy-restart', '-y', '--here'], { KMI_PROXY_LISTEN: `127.0.0.1:${home.port}` });
    cleanUp(async () => kill(Number(await readFile(join(home.root, '.kmi', 'proxy.pid'), 'utf8'))));
    expect(permitted.stdout).toContain(`The proxy (pid ${proxy.child.pid}) was stopped.`);
    expect(permitted.stderr.replace(/\s+/g, ' ')).toContain('The restart applies them.');
    expect(permitted.code).toBe(0);
  });

  it('from another folder names the variables that only the shell of the proxy had set', async () => {
    const { home, folder, elsewhere, proxy } = await proxyInItsFolder({ KMI_DRY_RUN: '' }, [], { KMI_DRY_RUN: '0' });
    await addHomeKey(home);
    const refused = await elsewhere(['proxy-restart', '-y'], {
      KMI_AUTHS_DIR: join(folder, '_auths'),
      KMI_PROXY_LISTEN: `127.0.0.1:${home.port}`,
    });
    expect([refused.code, proxy.child.exitCode]).toEqual([1, null]);
    expect(refused.stderr).toContain('would change KMI_DRY_RUN, KMI_UPSTREAM_BASE_URL. It was not stopped.');
    expect(refused.stderr).toMatch(/Restart it in .*kmi, from a shell that sets KMI_DRY_RUN as it was then, or add --here/);
  });

  it('from another folder applies an edit of the settings the proxy was started with', async () => {
    const { home, folder, proxy, elsewhere } = await proxyInItsFolder();
    const text = await readFile(join(folder, '.env'), 'utf8');
    await writeFile(join(folder, '.env'), text.replace('KMI_DRY_RUN=0', 'KMI_DRY_RUN=1'));
    const restarted = await elsewhere(['proxy-restart', '-y'], {
      KMI_ENV_PATH: join(folder, '.env'),
      KMI_AUTHS_DIR: join(folder, '_auths'),
    });
    cleanUp(async () => kill(Number(await readFile(join(home.root, '.kmi', 'proxy.pid'), 'utf8'))));
    expect(restarted, restarted.stderr).toMatchObject({ code: 0 });
    expect(restarted.stdout).toContain(`The proxy (pid ${proxy.child.pid}) was stopped.`);
    expect(restarted.stderr).toContain('Dry-run');
  });
});
