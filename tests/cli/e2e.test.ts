import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cleanUp } from '../support/cleanup.ts';
import { type HomeWithPort, homeWithPort, type TemporaryHome, temporaryHome } from '../support/home.ts';
import { keyOf, startBinaryProxy } from '../support/proxy.ts';
import { runKmi, startKmi } from '../support/spawn.ts';

const QUICK = ['e2e', '--pause', '0'];

async function homeWithKeys(labels: readonly string[], autoRotate: boolean): Promise<HomeWithPort> {
  const home = await homeWithPort();
  for (const label of labels) await home.addKey({ label });
  await mkdir(home.stateDir, { recursive: true });
  await writeFile(join(home.stateDir, 'state.json'), JSON.stringify({ schema_version: 1, auto_rotate: autoRotate, keys: {} }));
  return home;
}

const rotating = (home: TemporaryHome) => ({ ...home.env, KMI_AUTO_ROTATE_ALLOWED: '1' });

it('without a proxy it starts one in dry-run, tells the progress of each batch and passes an even rotation', async () => {
  const home = await homeWithKeys(['ada', 'ben', 'cleo'], true);
  const { code, stdout, stderr } = await runKmi([...QUICK, '-n', '30', '--batch', '10'], { env: rotating(home) });
  expect(code).toBe(0);
  const said = stderr.split('\n');
  expect(said[0]).toContain('Dry-run');
  expect(stderr).toContain(`No proxy runs, so this check starts one at http://127.0.0.1:${home.port}.`);
  expect(stderr).toMatch(/batch 1\/3: 10 answered, 10\/30 sent\nbatch 2\/3: .*\nbatch 3\/3: 10 answered, 30\/30 sent/);
  expect(stdout).toMatch(/ada +10 +33\.3 %/);
  expect(stdout).toContain('Confidence 100.0 %: the rotation is even.');
  // The proxy was stopped: a second check can start one again.
  expect((await runKmi([...QUICK, '-n', '3'], { env: rotating(home) })).code).toBe(0);
});

it('many requests side by side are no trouble to Node', async () => {
  const home = await homeWithKeys(['ada', 'ben'], true);
  // Its standard error is looked through for warnings, as every process's is.
  expect(await runKmi([...QUICK, '-n', '60', '--batch', '30'], { env: rotating(home) })).toMatchObject({ code: 0 });
});

it('--json prints one value', async () => {
  const home = await homeWithKeys(['ada', 'ben'], true);
  const { code, stdout } = await runKmi([...QUICK, '-n', '20', '--json'], { env: rotating(home) });
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual({
    mode: 'dry-run',
    proxy: { url: home.proxyUrl, started: true },
    round_robin: true,
    turns: 'keys',
    requests: { sent: 20, answered: 20, failed: 0 },
    failures: {},
    traced: 20,
    window: 20,
    distribution: { ada: 10, ben: 10 },
    passed_over: {},
    confidence: 100,
    sole_key: null,
    min_confidence: 95,
    passed: true,
  });
});

it('with round-robin off it says that the distribution means nothing', async () => {
  const home = await homeWithKeys(['ada', 'ben'], false);
  const { code, stdout, stderr } = await runKmi([...QUICK, '-n', '10'], { env: rotating(home) });
  expect(code).toBe(0);
  expect(stderr).toContain('Auto-rotation is off');
  expect(stdout).toMatch(/there is no\s+distribution to judge/);
});

it('a live proxy that runs already is asked, with its token, and the requests reach the upstream', async () => {
  const settings = { KMI_AUTO_ROTATE_ALLOWED: '1', KMI_PROXY_TOKEN: 'a-token-for-clients' };
  const proxy = await startBinaryProxy({ accounts: ['a', 'b'], autoRotate: true, settings });
  const env = { ...proxy.home.env, ...settings, KMI_DRY_RUN: '0' };
  const { code, stdout, stderr } = await runKmi([...QUICK, '-n', '20', '--json'], { env });
  expect(stderr).toContain('Live: requests go to the upstream.');
  expect(stderr).toContain(`(pid ${proxy.kmi.child.pid}).`);
  expect(JSON.parse(stdout)).toMatchObject({
    mode: 'live',
    proxy: { started: false },
    distribution: { a: 10, b: 10 },
    passed: true,
  });
  expect(code).toBe(0);
  expect(proxy.calls().filter(({ path }) => path.endsWith('/models'))).toHaveLength(20);
  // It goes on serving.
  expect(proxy.kmi.child.exitCode).toBe(null);

  const wrong = await runKmi([...QUICK, '-n', '2'], { env: { ...env, KMI_PROXY_TOKEN: 'another' } });
  expect(wrong.code).toBe(1);
  expect(wrong.stdout).toContain('2 times: HTTP 401.');
  expect(wrong.stdout).toContain('No request reached the choice of a key.');
});

it('the mode is that of the proxy that runs, whatever the settings here say', async () => {
  const proxy = await startBinaryProxy({ accounts: ['a'] });
  const { stderr } = await runKmi([...QUICK, '-n', '1'], { env: { ...proxy.home.env, KMI_DRY_RUN: '1' } });
  expect(stderr.match(/^(?:Live|Dry-run|Simulated):.*$/gm)).toEqual(['Live: requests go to the upstream.']);
});

it('when one key alone could serve, it says so and is content', async () => {
  const home = await homeWithKeys(['home'], true);
  const { code, stdout } = await runKmi([...QUICK, '-n', '10'], { env: rotating(home) });
  expect(stdout).toContain('Only home could serve, so nothing can be said about the rotation.');
  expect(stdout).not.toContain('Confidence');
  expect(code).toBe(0);
});

it('shares are of everything that was sent, and the confidence of the window asked for', async () => {
  const home = await homeWithKeys(['ada', 'ben', 'cleo'], true);
  const { stdout } = await runKmi([...QUICK, '-n', '60', '--batch', '20'], { env: rotating(home) });
  for (const label of ['ada', 'ben', 'cleo']) expect(stdout).toMatch(new RegExp(`${label} +20 +33\\.3 %`));
  const windowed = await runKmi([...QUICK, '-n', '60', '--batch', '20', '--window', '30'], { env: rotating(home) });
  expect(windowed.stdout).toMatch(/ada +20 +33\.3 %/);
  expect(windowed.stdout).toContain('Confidence 100.0 % over the newest 30: the rotation is even.');
});

it.each(['sticky', 'quota'])('with %s the turns of the accounts are judged', async (strategy) => {
  const settings = { KMI_AUTO_ROTATE_ALLOWED: '1', KMI_ROTATE_STRATEGY: strategy };
  const accounts = [{ name: 'a', keys: ['sk-kimi-a-1', 'sk-kimi-a-2'] }, 'b'];
  const proxy = await startBinaryProxy({
    accounts,
    autoRotate: true,
    settings,
    writeKeys: async (home) => {
      await home.addKey({ label: 'a1', key: 'sk-kimi-a-1' });
      await home.addKey({ label: 'a2', key: 'sk-kimi-a-2' });
      await home.addKey({ label: 'b', key: keyOf('b') });
    },
  });
  await proxy.state(({ keys }) => ['a1', 'a2', 'b'].every((label) => keys[label]?.account_id !== undefined));
  const env = { ...proxy.home.env, ...settings, KMI_DRY_RUN: '0' };
  const { code, stdout } = await runKmi([...QUICK, '-n', '20'], { env });
  expect(stdout.replace(/\s+/g, ' ')).toContain('Confidence 100.0 %: the turns of the accounts are even.');
  expect(code).toBe(0);
});

it('a key that goes on cooldown on the way is named, and the others are judged without it', async () => {
  const settings = { KMI_AUTO_ROTATE_ALLOWED: '1' };
  const home = await temporaryHome();
  await home.addKey({ label: 'c', key: 'sk-nobody-knows-this-key' });
  const proxy = await startBinaryProxy({ home, accounts: ['a', 'b'], autoRotate: true, settings });
  const env = { ...proxy.home.env, ...settings, KMI_DRY_RUN: '0' };
  const { code, stdout } = await runKmi([...QUICK, '-n', '20', '--batch', '2', '--json'], { env });
  const result = JSON.parse(stdout);
  expect(result).toMatchObject({ passed: true, passed_over: { c: expect.arrayContaining(['bad-key', 'auth']) } });
  expect(result.requests).toEqual({ sent: 20, answered: 20, failed: 0 });
  expect(code).toBe(0);
});

it('a key that could serve and gets nothing ends it with 1', async () => {
  const settings = { KMI_AUTO_ROTATE_ALLOWED: '1' };
  const proxy = await startBinaryProxy({ accounts: ['a', 'b'], autoRotate: true, settings });
  // Here a third key is known that the proxy that runs does not have, and it has not written down which it has.
  await rm(join(proxy.home.stateDir, 'proxies'), { recursive: true });
  const other = await homeWithKeys(['a', 'b', 'idle'], true);
  const address = { KMI_PROXY_LISTEN: `127.0.0.1:${proxy.port}` };
  const env = { ...proxy.home.env, ...settings, ...address, KMI_DRY_RUN: '0', KMI_AUTHS_DIR: other.authsDir };
  const { code, stdout } = await runKmi([...QUICK, '-n', '12'], { env });
  expect(stdout).toMatch(/idle +0 +0\.0 %/);
  expect(stdout).toContain('Confidence 0.0 %, 95 % was asked for: the rotation is not even.');
  expect(code).toBe(1);
});

it('requests that fail are counted by what they were and end it with 1', async () => {
  const proxy = await startBinaryProxy({ accounts: ['a'] });
  const env = { ...proxy.home.env, KMI_DRY_RUN: '0' };
  const { code, stdout } = await runKmi([...QUICK, '-n', '4', '--endpoint', '/nothing-here'], { env });
  expect(code).toBe(1);
  expect(stdout).toMatch(/4 times: HTTP 404\.\n0 of 4 requests were answered\./);
});

it('a proxy that traces elsewhere is told apart from an uneven one', async () => {
  const proxy = await startBinaryProxy({ accounts: ['a', 'b'] });
  const { code, stdout } = await runKmi([...QUICK, '-n', '2'], {
    env: {
      ...proxy.home.env,
      KMI_PROXY_LISTEN: `127.0.0.1:${proxy.port}`,
      KMI_STATE_DIR: join(proxy.home.root, 'other'),
    },
  });
  expect(code).toBe(1);
  expect(stdout).toContain('None of these requests is in the trace');
});

it('a stranger on the port is named, not asked', async () => {
  const home = await homeWithKeys(['ada'], true);
  let asked = 0;
  const stranger = createServer((request, response) => {
    if (request.url !== '/healthz') asked += 1;
    response.end('hello');
  }).listen(home.port, '127.0.0.1');
  cleanUp(async () => void stranger.close());
  const { code, stderr } = await runKmi(QUICK, { env: rotating(home) });
  expect({ code, asked }).toEqual({ code: 1, asked: 0 });
  expect(stderr).toContain('Another program listens');
});

it('without keys there is nothing to check', async () => {
  const { env } = await temporaryHome();
  const { code, stderr } = await runKmi(QUICK, { env });
  expect(code).toBe(1);
  expect(stderr).toContain('There are no keys');
});

it('Ctrl+C ends it with 130, shows what was found and stops the proxy it started', async () => {
  const home = await homeWithKeys(['ada', 'ben'], true);
  const kmi = await startKmi(['e2e', '-n', '100', '--pause', '60'], { env: rotating(home) });
  await kmi.waitForOutput(/batch 1\/10/);
  expect(await kmi.stop('SIGINT')).toEqual({ code: 130, signal: null });
  expect(kmi.stdout()).toContain('10 of 10 requests were answered.');
  await expect(fetch(`http://127.0.0.1:${home.port}/healthz`)).rejects.toThrow();
});

it.each([
  [['-n', '0'], '--requests 0: takes a whole number from 1'],
  [['--min-confidence', '101'], '--min-confidence 101: takes a number from 0 to 100.'],
  [['--scheme', 'ftp'], '--scheme ftp: takes http or https.'],
  [['--timeout', 'x'], '--timeout x: takes a number'],
])('%j is refused', async (args, words) => {
  const { env } = await temporaryHome();
  const { code, stderr } = await runKmi(['e2e', ...args], { env });
  expect(code).toBe(2);
  expect(stderr).toContain(words);
});
