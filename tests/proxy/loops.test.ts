import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { expect, it } from 'vitest';
import { cleanUp } from '../support/cleanup.ts';
import { homeWithPort } from '../support/home.ts';
import { valuesOf } from '../support/http-client.ts';
import { chatBody, type InProcessProxy, keyOf, startTestProxy } from '../support/proxy.ts';
import { runKmi } from '../support/spawn.ts';

const LIVE = { KMI_DRY_RUN: '0' };

it.each([
  ['127.0.0.1', '/kmi-rotor/v1'],
  ['localhost', '/kmi-rotor/v1'],
  ['[::1]', '/elsewhere'],
])('a proxy whose upstream is itself, as %s, does not start and says why', async (host, path) => {
  const home = await homeWithPort();
  await home.addKey({ label: 'one' });
  const env = { ...home.env, ...LIVE, KMI_UPSTREAM_BASE_URL: `http://${host}:${home.port}${path}` };
  const { code, stderr } = await runKmi(['proxy', '--foreground'], { env, cwd: home.root });
  expect(code).toBe(1);
  expect(stderr).toContain('KMI_UPSTREAM_BASE_URL');
  expect(stderr).toContain('this proxy itself');
  const background = await runKmi(['proxy'], { env, cwd: home.root });
  expect([background.code, background.stderr]).toEqual([1, expect.stringContaining('this proxy itself')]);
});

it.each(['KMI_UPSTREAM_PROXY', 'HTTPS_PROXY', 'all_proxy'])('nor one that %s sends through itself', async (variable) => {
  const home = await homeWithPort();
  await home.addKey({ label: 'one' });
  const env = { ...home.env, ...LIVE, [variable]: `http://localhost:${home.port}` };
  const { code, stderr } = await runKmi(['proxy', '--foreground'], { env, cwd: home.root });
  expect(code).toBe(1);
  expect(stderr).toMatch(new RegExp(`^kmi: ${variable} names this proxy itself`));
});

it('a key whose auth file names the proxy is left out; when it is the only one, the start says so', async () => {
  const home = await homeWithPort();
  await home.addKey({ label: 'one', baseUrl: `http://localhost:${home.port}/kmi-rotor/v1` });
  const alone = await runKmi(['proxy', '--foreground'], { env: { ...home.env, ...LIVE }, cwd: home.root });
  expect(alone.code).toBe(1);
  expect(alone.stderr).toMatch(/one\.env: Its base URL is the address of this proxy itself/);
  await home.addKey({ label: 'two' });
  const { stdout } = await runKmi(['keys', 'list', '--json'], { env: home.env, cwd: home.root });
  const { keys, skipped_auth_files: skipped } = JSON.parse(stdout);
  expect(keys.map(({ label }: { label: string }) => label)).toEqual(['two']);
  expect(skipped).toHaveLength(1);
});

/** Passes bytes on to a port that is known later: a forwarded port, of which the proxy cannot know. */
async function startForwarder(): Promise<{
  readonly url: string;
  readonly connections: () => number;
  leadsTo(port: number): void;
}> {
  let target = 0;
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    const onward = connect(target, '127.0.0.1');
    socket.pipe(onward).pipe(socket);
    socket.on('error', () => onward.destroy());
    onward.on('error', () => socket.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp(async () => void server.close());
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/kmi-rotor/v1`,
    connections: () => connections,
    leadsTo(port) {
      target = port;
    },
  };
}

const startProxyAt = (url: string, accounts: readonly string[]) =>
  startTestProxy({ accounts, autoRotate: true, settings: { KMI_UPSTREAM_BASE_URL: url, KMI_PROXY_RETRY_MAX: '3' } });

async function expectLoop(proxy: InProcessProxy) {
  for (const path of ['/chat/completions', '/messages']) {
    const answer = await proxy.send(path, { body: chatBody() });
    expect(answer.status).toBe(508);
    expect(JSON.parse(answer.text).error.message).toMatch(/came back to this proxy.*Correct KMI_UPSTREAM_BASE_URL/);
  }
}

it('a request that comes back by a way nobody could know is stopped in its second round', async () => {
  const forwarder = await startForwarder();
  const proxy = await startProxyAt(forwarder.url, ['a']);
  forwarder.leadsTo(proxy.port);
  await expectLoop(proxy);
  expect(forwarder.connections()).toBeLessThan(6);
});

it('with several keys as well, and in the end', async () => {
  const forwarder = await startForwarder();
  const proxy = await startProxyAt(forwarder.url, ['a', 'b', 'c', 'd', 'e']);
  forwarder.leadsTo(proxy.port);
  await expectLoop(proxy);
  expect(forwarder.connections()).toBeLessThan(60);
});

it('two proxies that have each other as upstream find out', async () => {
  const [first, second] = [await startForwarder(), await startForwarder()];
  const one = await startProxyAt(second.url, ['a']);
  const two = await startProxyAt(first.url, ['b']);
  first.leadsTo(one.port);
  second.leadsTo(two.port);
  await expectLoop(one);
  await expectLoop(two);
  expect(first.connections() + second.connections()).toBeLessThan(16);
});

it('a key that leads back beside a good one fails over', async () => {
  const forwarder = await startForwarder();
  const proxy = await startTestProxy({
    accounts: ['good'],
    autoRotate: true,
    writeKeys: async (home) => {
      await home.addKey({ label: 'good', key: keyOf('good') });
      await home.addKey({ label: 'back', baseUrl: forwarder.url });
    },
  });
  forwarder.leadsTo(proxy.port);
  for (let n = 0; n < 4; n++) expect((await proxy.chat()).status).toBe(200);
});

it('a request that is alone goes out without a mark, and a proxy behind a proxy serves at any load', async () => {
  const inner = await startTestProxy({ simulator: { behaviour: { latencyMs: 50 } } });
  const outer = await startProxyAt(`http://127.0.0.1:${inner.port}/kmi-rotor/v1`, ['a']);
  expect((await outer.chat({}, { headers: { via: '1.1 nginx' } })).status).toBe(200);
  expect(valuesOf(inner.calls()[0]?.rawHeaders ?? [], 'via')).toEqual(['1.1 nginx']);
  const answers = await Promise.all(Array.from({ length: 20 }, () => outer.chat()));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
});
