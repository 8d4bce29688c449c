import { chmod, chown, mkdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { cleanUp } from '../support/cleanup.ts';
import { type HomeWithPort, homeWithPort } from '../support/home.ts';
import { canActAsOthers, folderForAll, runAs, USER } from '../support/other-user.ts';
import { runKmi } from '../support/spawn.ts';
import { addressIn } from './daemon-home.ts';

const CLI = resolve(import.meta.dirname, '../../dist/cli.js');
const SCRIPT = resolve(import.meta.dirname, 'in-lost-folder.mjs');

/** A home whose settings lie where they are without a working folder: in `~/.kmi`. */
async function homeWithKey(): Promise<HomeWithPort> {
  const home = await homeWithPort();
  await mkdir(join(home.stateDir, '_auths'), { recursive: true, mode: 0o700 });
  await writeFile(join(home.stateDir, '_auths', 'one.env'), 'KMI_API_KEY=sk-kimi-one-0123456789\n', { mode: 0o600 });
  return home;
}

/** Runs a command in a folder that is gone. Only HOME leads it anywhere. */
function runLost(home: HomeWithPort, args: readonly string[], env: Record<string, string> = {}, cli = CLI) {
  return runKmi([cli, join(home.root, 'gone'), ...args], {
    script: SCRIPT,
    env: { HOME: home.root, KMI_PROXY_LISTEN: '127.0.0.1:0', ...env },
  });
}

const GONE = /^kmi: the folder you are in has been deleted; kmi goes on as if it were called in .*\.kmi\.$/m;

describe.skipIf(process.platform === 'win32')('in a folder that was deleted', () => {
  it.each([
    ['status', 0],
    ['doctor', 0],
    ['config', 0],
    ['keys', 0],
    ['keys list --json', 0],
    ['rotate', 0],
    ['rotate off', 0],
    ['current', 1],
    ['env', 0],
    ['usage', 0],
    ['trace --last 5', 0],
    ['proxy-stop -y', 0],
    ['completion bash', 0],
    ['completion --labels', 0],
    ['keys disable one', 0],
    ['why last', 1],
    ['proxy-logs --no-follow', 1],
  ])('kmi %s works with the settings and keys of the home', async (line, code) => {
    const home = await homeWithKey();
    // An address to print; nobody serves there.
    const ran = await runLost(home, line.split(' '), { KMI_PROXY_LISTEN: '127.0.0.1:9' });
    expect(ran).toMatchObject({ code });
    expect(ran.stderr).toMatch(GONE);
    expect(ran.stdout + ran.stderr).not.toMatch(/unexpected|uv_cwd|ENOENT/);
    if (line.startsWith('keys list')) expect(JSON.parse(ran.stdout).keys).toMatchObject([{ label: 'one' }]);
  });

  it('the settings file of the home counts', async () => {
    const home = await homeWithKey();
    await writeFile(join(home.stateDir, '.env'), 'KMI_ROTATE_STRATEGY=sticky\n', { mode: 0o600 });
    const { stdout } = await runLost(home, ['config']);
    expect(stdout).toMatch(/KMI_ROTATE_STRATEGY\s+sticky/);
  });

  it('a relative path in a setting is said to lead nowhere', async () => {
    const home = await homeWithKey();
    const ran = await runLost(home, ['status'], { KMI_STATE_DIR: 'state' });
    expect(ran).toMatchObject({ code: 2, stderr: expect.stringContaining('a relative path leads nowhere') });
  });

  it('the proxy starts, programs run through it where they were called, and it is stopped', async () => {
    const home = await homeWithKey();
    const started = await runLost(home, ['proxy']);
    expect(started).toMatchObject({ code: 0 });
    cleanUp(async () => void (await runLost(home, ['proxy-stop', '-y'])));
    const listen = { KMI_PROXY_LISTEN: `127.0.0.1:${home.port}` };
    const ran = await runLost(home, ['run', '--', 'sh', '-c', 'printf "at %s" "$OPENAI_BASE_URL"'], listen);
    expect(ran).toMatchObject({ code: 0, stdout: `at ${addressIn(started)}` });
    expect(await runLost(home, ['e2e', '-n', '2'])).toMatchObject({ code: 0 });
    expect(await runLost(home, ['proxy-restart', '-y'])).toMatchObject({ code: 0 });
    expect(await runLost(home, ['proxy-stop', '-y'])).toMatchObject({ code: 0 });
  });

  it('a program that finds no proxy gets one that was started there', async () => {
    const home = await homeWithKey();
    cleanUp(async () => void (await runLost(home, ['stop'])));
    const listen = { KMI_PROXY_LISTEN: `127.0.0.1:${home.port}` };
    const ran = await runLost(home, ['run', '--', 'sh', '-c', 'printf "at %s" "$OPENAI_BASE_URL"'], listen);
    expect(ran).toMatchObject({ code: 0, stdout: `at ${home.proxyUrl}` });
    expect(ran.stderr).toContain('No proxy runs; starting one.');
    expect(ran.stderr).not.toMatch(/unexpected|uv_cwd|ENOENT/);
  });

  it('kimi_robin starts the Kimi CLI', async () => {
    const home = await homeWithKey();
    const bin = join(home.root, 'bin');
    await mkdir(bin);
    await writeFile(join(bin, 'kimi'), '#!/bin/sh\necho "kimi got $*"\n', { mode: 0o755 });
    expect(await runLost(home, ['proxy'])).toMatchObject({ code: 0 });
    cleanUp(async () => void (await runLost(home, ['proxy-stop', '-y'])));
    const robin = join(resolve(CLI, '..'), 'robin.js');
    const env = { PATH: `${bin}:${process.env.PATH}` };
    expect(await runLost(home, ['-p', 'hi'], env, robin)).toMatchObject({ code: 0, stdout: expect.stringContaining('-p hi') });
  });
});

it.skipIf(process.platform !== 'linux')('the background proxy does not hold the folder it was started in', async () => {
  const home = await homeWithPort();
  await home.addKey({ label: 'a' });
  const upstream = await startSimulator({ accounts: [{ name: 'a', keys: ['sk-test-a-0123456789abcdef'] }] });
  cleanUp(() => upstream.close());
  await writeFile(join(home.root, '.env'), `KMI_DRY_RUN=0\nKMI_UPSTREAM_BASE_URL=${upstream.baseUrl}\n`, { mode: 0o600 });
  // A relative path that is followed when the first TLS connection is made, long after the start.
  const env = { ...home.env, NODE_EXTRA_CA_CERTS: 'own-ca.pem' };
  cleanUp(async () => void (await runKmi(['proxy-stop', '-y'], { env, cwd: home.root })));
  const started = await runKmi(['proxy'], { env, cwd: home.root });
  expect(started).toMatchObject({ code: 0 });
  const pid = (await readFile(join(home.stateDir, 'proxy.pid'), 'utf8')).trim();
  expect(await readlink(`/proc/${pid}/cwd`)).toBe(home.stateDir);
  const environment = (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0');
  expect(environment).toContain(`NODE_EXTRA_CA_CERTS=${join(home.root, 'own-ca.pem')}`);
  const answer = await fetch(`${addressIn(started)}/models`);
  expect([answer.status, upstream.received.some(({ path }) => path.endsWith('/models'))]).toEqual([200, true]);
});

describe.skipIf(!canActAsOthers)('for another user (needs root)', () => {
  const homeOfOther = async () => {
    const root = await folderForAll();
    const home = join(root, 'home');
    await mkdir(home, { mode: 0o700 });
    await chown(home, USER, USER);
    return { root, home };
  };

  it('a working folder that is closed to the user counts as none', async () => {
    const { root, home } = await homeOfOther();
    const closed = join(root, 'closed');
    await mkdir(closed);
    await writeFile(join(closed, '.env'), 'KMI_ROTATE_STRATEGY=sticky\n');
    for (const mode of [0o700, 0o704]) {
      await chmod(closed, mode);
      const ran = await runAs(['config', '--all'], { env: { HOME: home }, cwd: closed });
      expect(ran).toMatchObject({ code: 0, stderr: expect.stringContaining('the folder you are in is closed to you') });
      expect(ran.stdout).toMatch(/KMI_ROTATE_STRATEGY\s+round-robin/);
    }
  });

  it('a user without a home on record is told to set HOME, and needs none when all folders are named', async () => {
    const { root, home } = await homeOfOther();
    const uid = 54_321;
    await chown(home, uid, uid);
    for (const HOME of [undefined, '', 'relative']) {
      const env: Record<string, string> = HOME === undefined ? {} : { HOME };
      expect(await runAs(['status'], { env, cwd: root, uid })).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('Set HOME to a folder of yours'),
      });
      const named = { KMI_STATE_DIR: join(home, 'state'), KMI_AUTHS_DIR: join(home, '_auths') };
      for (const command of ['status', 'doctor', 'rotate', 'current', 'config']) {
        const { text } = await runAs([command], { env: { ...env, ...named }, cwd: root, uid });
        expect(text, command).not.toMatch(/unexpected|HOME|ERR_/);
      }
    }
  });

  it('a home that was deleted and cannot be made is named when something must be written', async () => {
    const { root } = await homeOfOther();
    const env = { HOME: join(root, 'gone') };
    expect(await runAs(['status'], { env, cwd: root })).toMatchObject({ text: expect.not.stringMatching(/unexpected/) });
    const { code, text } = await runAs(['rotate', 'off'], { env, cwd: root });
    expect(code).toBe(1);
    expect(text).toContain(`The folder ${root} belongs to root, and you cannot write to it.`);
    expect(text).not.toMatch(/unexpected/);
  });
});
