import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { alivenessOf, identityOf } from '../../src/daemon/processes.ts';
import { cleanUp } from '../support/cleanup.ts';
import { type HomeWithPort, homeWithPort, type TemporaryHome } from '../support/home.ts';
import { runKmi } from '../support/spawn.ts';

/** A program of the same user that is none of ours, and looks as much like the proxy as a command line can. */
async function innocent(options: { readonly uid?: number } = {}): Promise<ChildProcess> {
  const code = 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); console.log("up")';
  const child = spawn(process.execPath, ['-e', code, 'cli.js', '--no-color', 'proxy', '--foreground'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    ...options,
  });
  const signals: string[] = [];
  child.once('exit', (_, signal) => signals.push(String(signal)));
  cleanUp(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  });
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  return child;
}

/** A program on the proxy's port that says it is kmi, under the pid it is told. */
async function impostor(port: number, pid: number): Promise<void> {
  const answer = {
    status: 'ok',
    name: 'kmi',
    version: '0.1.0',
    pid,
    uptime_seconds: 5,
    keys: { total: 1, ready: 1, cooldown: 0, out: 0 },
  };
  const server = createServer((_, response) => response.end(JSON.stringify(answer))).listen(port, '127.0.0.1');
  await once(server, 'listening');
  cleanUp(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
}

async function homeWithPid(text: string): Promise<HomeWithPort> {
  const home = await homeWithPort();
  await home.addKey({ label: 'a' });
  await mkdir(home.stateDir, { recursive: true, mode: 0o700 });
  await writeFile(join(home.stateDir, 'proxy.pid'), text, { mode: 0o600 });
  return home;
}

const stop = (home: TemporaryHome, ...args: string[]) => runKmi(['proxy-stop', '-y', ...args], { env: home.env, cwd: home.root });

/** SIGTERM is ignored by the innocent, so only its own record of signals would tell; SIGKILL it cannot survive. */
async function expectUntouched(child: ChildProcess): Promise<void> {
  expect([await alivenessOf(child.pid as number), child.signalCode]).toEqual(['alive', null]);
}

describe('only our own proxy is ever signalled', () => {
  it('not a program that got the pid of a proxy that is gone', async () => {
    const child = await innocent();
    const home = await homeWithPid(`${child.pid}\n`);
    for (const args of [[], ['-f']]) expect((await stop(home, ...args)).code).toBe(1);
    await runKmi(['proxy-restart', '-y', '-f'], { env: home.env, cwd: home.root });
    await expectUntouched(child);
  });

  it('not a program whose pid a liar on the port gives as its own, though the pid file names it too', async () => {
    const child = await innocent();
    const home = await homeWithPid(`${child.pid}\n`);
    await impostor(home.port, child.pid as number);
    for (const args of [[], ['-f']]) {
      const { code, stderr } = await stop(home, ...args);
      expect([code, stderr]).toEqual([1, expect.stringContaining('Nothing was signalled')]);
    }
    await runKmi(['doctor', '--fix'], { env: home.env, cwd: home.root });
    await expectUntouched(child);
  });

  it('not one whose pid stands in a forged mark of a proxy that is stopping', async () => {
    const child = await innocent();
    const home = await homeWithPid(`${child.pid}\n`);
    const identity = await identityOf(child.pid as number);
    await writeFile(join(home.stateDir, 'proxy.stopping'), `${child.pid} ${String(identity).replace(/\d$/, 'x')}\n`);
    expect((await stop(home, '-f')).code).toBe(1);
    await expectUntouched(child);
  });

  it.each([
    '-1\n',
    '0\n',
    '1\n',
    '-999999\n',
    '+5\n',
    '1e3\n',
    '0x10\n',
    '99999999999999\n',
    `${'9'.repeat(100_000)}\n`,
    'two\n',
    '\0',
    '4\n5\n',
    '',
  ])('whatever the pid file says, such as %j', async (text) => {
    const home = await homeWithPid(text);
    await impostor(home.port, 1);
    // Were -1 or 0 ever signalled, this very process would be gone.
    expect((await stop(home, '-f')).code).toBe(1);
  });

  it.skipIf(process.getuid?.() !== 0)("not another user's program, as far as the system lets us", async () => {
    const child = await innocent({ uid: 65534 });
    const home = await homeWithPid(`${child.pid}\n`);
    await impostor(home.port, child.pid as number);
    expect((await stop(home, '-f')).code).toBe(1);
    await expectUntouched(child);
  });

  it('not the holder of the port, when a proxy is started or restarted there', async () => {
    const home = await homeWithPid('');
    await impostor(home.port, process.pid);
    for (const args of [
      ['proxy'],
      ['proxy', '--foreground'],
      ['proxy-restart', '-y', '-f'],
      ['proxy-stop', '-y', '-f'],
      ['doctor', '--fix'],
    ]) {
      await runKmi(args, { env: home.env, cwd: home.root });
    }
    const { status } = await fetch(`http://127.0.0.1:${home.port}/`);
    expect(status).toBe(200);
  });

  it('but our own is, and no other', async () => {
    const [home, other] = [await homeWithPid(''), await homeWithPid('')];
    const pids: number[] = [];
    for (const each of [home, other]) {
      expect((await runKmi(['proxy'], { env: each.env, cwd: each.root })).code).toBe(0);
      cleanUp(async () => void (await stop(each, '-f')));
      pids.push(Number(await readFile(join(each.stateDir, 'proxy.pid'), 'utf8')));
    }
    // The pid file of one, the port of the other, and no record that tells better.
    await rm(join(home.stateDir, 'proxies'), { recursive: true });
    await writeFile(join(home.stateDir, 'proxy.pid'), `${pids[1]}\n`);
    expect((await stop(home, '-f')).code).toBe(1);
    expect(await Promise.all(pids.map(alivenessOf))).toEqual(['alive', 'alive']);
    await writeFile(join(home.stateDir, 'proxy.pid'), `${pids[0]}\n`);
    expect((await stop(home)).code).toBe(0);
    expect(await Promise.all(pids.map(alivenessOf))).toEqual(['gone', 'alive']);
  });
});
