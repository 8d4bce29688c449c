import { mkdtemp, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, it } from 'vitest';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { cleanUp } from '../support/cleanup.ts';
import { type TemporaryHome, temporaryHome } from '../support/home.ts';
import { runKmi, startKmi } from '../support/spawn.ts';
import { pathOf, STAYS, writeStandIn } from './stand-in-kimi.ts';

let home: TemporaryHome;
/** Where the proxy serves. */
let url: string;
let bin: string;
let env: Record<string, string>;

beforeAll(async () => {
  home = await temporaryHome();
  const { key } = await home.addKey({ label: 'a' });
  // Live, so that nothing is said about the mode.
  const simulator = await startSimulator({ accounts: [{ name: 'a', keys: [key] }] });
  cleanUp(() => simulator.close());
  const live = { ...home.env, KMI_DRY_RUN: '0', KMI_UPSTREAM_BASE_URL: simulator.baseUrl };
  const proxy = await startKmi(['proxy', '--foreground'], { env: live, cwd: home.root });
  [, url = ''] = await proxy.waitForOutput(/serves (\S+)/);
  await proxy.waitForOutput(/Point a client/);
});

beforeEach(async () => {
  bin = await mkdtemp(join(home.root, 'bin-'));
  env = { ...home.env, HOME: bin, PATH: pathOf(bin) };
});

it('a program gets the variables of every protocol, and its options are its own', async () => {
  const standIn = await writeStandIn(join(bin, 'agent'));
  const given = { ...env, ANTHROPIC_AUTH_TOKEN: 'mine', HTTPS_PROXY: 'http://company:3128', no_proxy: '.corp' };
  for (const args of [
    ['run', '--', 'agent', '--help', '-x', '--', 'y'],
    ['run', 'agent', '--help', '-x', '--', 'y'],
  ]) {
    expect(await runKmi(args, { env: given })).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
    const met = await standIn.met();
    expect(met.args).toEqual(['--help', '-x', '--', 'y']);
    expect(met.env).toMatchObject({
      OPENAI_BASE_URL: url,
      OPENAI_API_KEY: 'kmi',
      ANTHROPIC_BASE_URL: url.slice(0, -'/v1'.length),
      ANTHROPIC_API_KEY: 'kmi',
      KIMI_MODEL_BASE_URL: url,
      KIMI_BASE_URL: url,
      HTTPS_PROXY: 'http://company:3128',
      NO_PROXY: '.corp,127.0.0.1,localhost',
      no_proxy: '.corp,127.0.0.1,localhost',
    });
    expect(met.env).not.toHaveProperty('ANTHROPIC_AUTH_TOKEN');
  }
});

it('what the program asks by its variables is answered by the proxy', async () => {
  const script = join(bin, 'ask.mjs');
  await writeFile(
    script,
    `const headers = { authorization: 'Bearer ' + process.env.OPENAI_API_KEY };
     const models = await fetch(process.env.OPENAI_BASE_URL + '/models', { headers });
     const messages = await fetch(process.env.ANTHROPIC_BASE_URL + '/v1/messages', {
       method: 'POST', headers: { 'x-api-key': process.env.ANTHROPIC_API_KEY }, body: '{"model":"m","max_tokens":1,"messages":[]}' });
     console.log(models.status, messages.status);`,
  );
  const finished = await runKmi(['run', '--', process.execPath, script], { env });
  expect(finished).toMatchObject({ code: 0, stdout: '200 200\n' });
});

it('signals and exit codes pass through', async () => {
  const standIn = await writeStandIn(join(bin, 'agent'), { does: STAYS });
  const running = await startKmi(['run', 'agent'], { env });
  await running.waitForOutput(/ready/);
  running.child.kill('SIGINT');
  await standIn.waitForSignal('SIGINT');
  expect(await running.stop()).toEqual({ code: 42, signal: null });
});

it('a program that is not there, or may not be run, ends as in a shell', async () => {
  await writeFile(join(bin, 'text'), 'text', { mode: 0o644 });
  const missing = await runKmi(['run', 'no-such-program'], { env });
  expect([missing.code, missing.stderr]).toEqual([
    127,
    'kmi: no-such-program cannot be run: there is no such program on the PATH.\n',
  ]);
  expect(await runKmi(['run', join(bin, 'text')], { env })).toMatchObject({
    code: 126,
    stderr: expect.stringContaining('EACCES'),
  });
});

it('nothing to run, or an option of ours that does not exist, is bad usage; --help is ours', async () => {
  expect(await runKmi(['run'], { env })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('There is no command to run.'),
  });
  expect(await runKmi(['run', '--'], { env })).toMatchObject({ code: 2 });
  expect(await runKmi(['run', '--nonsense', 'x'], { env })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--nonsense'),
  });
  expect(await runKmi(['run', '--help'], { env })).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('kmi run -- claude'),
  });
});

it('a stranger at the address of the proxy is not taken for it', async () => {
  const stranger = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
  cleanUp(async () => void stranger.close());
  await new Promise((resolve) => stranger.once('listening', resolve));
  const listen = `127.0.0.1:${(stranger.address() as AddressInfo).port}`;
  const finished = await runKmi(['run', 'true'], {
    env: { ...env, KMI_STATE_DIR: join(bin, 'state'), KMI_PROXY_LISTEN: listen },
  });
  expect(finished).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('Another program answers at') });
});
