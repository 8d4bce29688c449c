import { mkdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { expect, test } from 'vitest';
import { cleanUp } from '../support/cleanup.ts';
import { startKmi } from '../support/spawn.ts';
import { type DaemonHome, daemonHomeWithPort, kill, liveHome, liveHomeWithPort } from './daemon-home.ts';
import { STAYS, writeStandIn } from './stand-in-kimi.ts';

const STARTED = 'kmi: No proxy runs; starting one. `kmi stop` stops it.\n';
/** Asks the proxy for a chat as a client would, with nothing but its variables. */
const CHATS = `
  fetch(process.env.OPENAI_BASE_URL ? process.env.OPENAI_BASE_URL + '/chat/completions' : process.env.KIMI_BASE_URL + '/chat/completions', {
    method: 'POST', headers: { authorization: 'Bearer ' + (process.env.OPENAI_API_KEY ?? process.env.KIMI_API_KEY) },
    body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] }),
  }).then((answer) => console.log('answered ' + answer.status));`;

/** The home's environment with a folder of programs first on the PATH. */
async function withPrograms(home: DaemonHome): Promise<{ bin: string; PATH: string }> {
  const bin = join(home.root, 'bin');
  await mkdir(bin);
  return { bin, PATH: `${bin}${delimiter}${process.env.PATH}` };
}

async function ranProxy(home: DaemonHome): Promise<number> {
  const pid = await home.pid();
  if (pid === null) throw new Error('No proxy was started.');
  cleanUp(async () => kill(pid));
  return pid;
}

test.each([
  ['kmi kimi', ['kimi', '-p', 'hi'], 'kimi'],
  ['kmi run', ['run', '--', 'agent', '-p', 'hi'], 'agent'],
])('%s starts the proxy when none runs, says so in one line, and the client is answered', async (_, args, program) => {
  const { home } = await liveHome();
  const { bin, PATH } = await withPrograms(home);
  await writeStandIn(join(bin, program), { does: CHATS });
  const first = await home.kmi(args, { PATH });
  const pid = await ranProxy(home);
  expect(first).toMatchObject({ code: 0, stdout: 'answered 200\n', stderr: STARTED });
  // It stays for the next one, which has nothing to say.
  expect(await home.kmi(args, { PATH })).toMatchObject({ code: 0, stdout: 'answered 200\n', stderr: '' });
  expect(await home.pid()).toBe(pid);
});

test('it has the settings of `kmi proxy`: token, address, dry-run', async () => {
  const home = await daemonHomeWithPort({ KMI_PROXY_TOKEN: 'a-long-random-token', KMI_PROXY_BASE_PATH: '/mine/v1' });
  await home.addKey({ label: 'ada' });
  const { bin, PATH } = await withPrograms(home);
  await writeStandIn(join(bin, 'agent'), { does: CHATS });
  const { code, stdout, stderr } = await home.kmi(['run', 'agent'], { PATH });
  await ranProxy(home);
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'answered 200\n' });
  expect(stderr).toBe(`${STARTED}kmi: dry-run: answers are simulated. \`kmi config set KMI_DRY_RUN 0\` goes live.\n`);
  expect((await fetch(`http://127.0.0.1:${home.port}/mine/v1/models`)).status).toBe(401);
});

test('after a crash it starts again, and two clients at once get one proxy', async () => {
  const { home } = await liveHomeWithPort();
  const { bin, PATH } = await withPrograms(home);
  await writeStandIn(join(bin, 'agent'), { does: CHATS });
  const old = await home.start();
  kill(old);
  const both = await Promise.all([1, 2].map(() => home.kmi(['run', 'agent'], { PATH })));
  const pid = await ranProxy(home);
  expect(pid).not.toBe(old);
  for (const { code, stdout } of both) expect({ code, stdout }).toEqual({ code: 0, stdout: 'answered 200\n' });
});

test('without keys the client is not started, and the error names the next command', async () => {
  const home = await daemonHomeWithPort();
  const { bin, PATH } = await withPrograms(home);
  const standIn = await writeStandIn(join(bin, 'agent'));
  const { code, stdout, stderr } = await home.kmi(['run', 'agent'], { PATH });
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toBe(
    `kmi: The proxy cannot start. There are no keys in ${home.authsDir}.\n     Log in with \`kmi login\`, add one with \`kmi keys add\`, or set kmi up with \`kmi up\`.\n`,
  );
  await expect(standIn.met()).rejects.toThrow('ENOENT');
  expect(await home.pid()).toBeNull();
});

test('a proxy that ends at once is said with its log, and the client is not started', async () => {
  const home = await daemonHomeWithPort();
  await home.addKey({ label: 'ada' });
  const { bin, PATH } = await withPrograms(home);
  const standIn = await writeStandIn(join(bin, 'agent'));
  const { code, stderr } = await home.kmi(['run', 'agent'], { PATH, KMI_PROXY_LISTEN: `0.0.0.0:${home.port}` });
  expect(code).toBe(1);
  expect(stderr).toContain('0.0.0.0 can be reached from other machines');
  expect(stderr).toContain('kmi: The proxy did not start');
  await expect(standIn.met()).rejects.toThrow('ENOENT');
});

test('the end of the client leaves the proxy that was started for it', async () => {
  const { home } = await liveHomeWithPort();
  const { bin, PATH } = await withPrograms(home);
  await writeStandIn(join(bin, 'agent'), { does: STAYS });
  const client = await startKmi(['run', 'agent'], { env: { ...home.env, PATH }, cwd: home.root });
  await client.waitForOutput(/ready/);
  const pid = await ranProxy(home);
  client.child.kill('SIGTERM');
  expect(await client.ended).toEqual({ code: 42, signal: null });
  const health = await fetch(`http://127.0.0.1:${home.port}/healthz`);
  expect(await health.json()).toMatchObject({ pid });
});
