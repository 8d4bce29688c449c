import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { UpstreamTargets } from '../../src/proxy/upstream/upstream-targets.ts';
import { cleanUp } from '../support/cleanup.ts';
import { temporaryHome } from '../support/home.ts';
import { keyOf, startTestProxy } from '../support/proxy.ts';
import { runKmi } from '../support/spawn.ts';

/** Two keys at one upstream, the first with a slip in its base URL. */
const startWith = async (slip: (baseUrl: string) => string, labels: readonly string[] = ['bad', 'good']) =>
  startTestProxy({
    accounts: labels,
    autoRotate: true,
    writeKeys: async (home, simulator) => {
      for (const label of labels) {
        const baseUrl = label === 'good' ? simulator.baseUrl : slip(simulator.baseUrl);
        await home.addKey({ label, key: keyOf(label), baseUrl });
      }
    },
  });

it.each([
  ['/coding/', (url: string) => url.replace(/\/v1$/, '/')],
  ['/coding', (url: string) => url.replace(/\/v1$/, '')],
  ['/coding/v1/v1', (url: string) => `${url}/v1`],
  ['the address of the chat', (url: string) => `${url}/chat/completions`],
  ['the address of messages', (url: string) => `${url}/messages/`],
  ['no scheme', (url: string) => url.replace('http://', '')],
])('a key whose base URL is %s serves', async (_, slip) => {
  const proxy = await startWith(slip);
  for (let n = 0; n < 4; n++) expect((await proxy.chat()).status).toBe(200);
  expect(proxy.served().split(' ').toSorted()).toEqual(['bad', 'bad', 'good', 'good']);
});

describe('a key whose base URL leads to nothing', () => {
  const nowhere = (url: string) => url.replace('/coding/v1', '/no/such');

  it('does not cost a client its chat while another key is sent elsewhere, and is on cooldown', async () => {
    const proxy = await startWith(nowhere);
    for (const path of ['/chat/completions', '/messages', '/chat/completions']) {
      expect((await proxy.send(path, { body: '{"messages":[]}' })).status).toBe(200);
    }
    const { keys } = await proxy.state(({ keys: { bad } }) => bad?.exhausted_until !== null);
    expect(keys.bad).toMatchObject({ exhausted_reason: 'upstream', error_403: 0, error_5xx: 0 });
    const [line] = await proxy.trace(3);
    expect(line?.tried).toEqual([{ key_label: 'bad', status: 404, verdict: 'dead-end' }]);
    const { stdout } = await runKmi(['status'], {
      env: { ...proxy.home.env, COLUMNS: '200', KMI_DRY_RUN: '0' },
      cwd: proxy.home.root,
    });
    expect(stdout).toMatch(/bad fails while others work; its base URL may be wrong: \S+\/no\/such/);
  });

  it('is passed over together with the others that are sent there', async () => {
    const proxy = await startWith(nowhere, ['a', 'b', 'c', 'd', 'e', 'good']);
    expect((await proxy.chat()).status).toBe(200);
    expect(proxy.calls().map(({ url }) => url)).toEqual(['/no/such/chat/completions', '/coding/v1/chat/completions']);
  });

  it('gives its 404 to the client when no key is sent elsewhere, and is not blamed', async () => {
    const proxy = await startWith(nowhere, ['bad', 'other']);
    expect((await proxy.chat()).status).toBe(404);
    expect(proxy.calls()).toHaveLength(1);
    const { keys } = await proxy.state(({ keys: { bad } }) => bad?.request_count === 1);
    expect(keys.bad?.exhausted_until).toBeNull();
  });

  it('is no dead end when only a disabled key is sent elsewhere', async () => {
    const proxy = await startTestProxy({
      accounts: ['bad', 'good'],
      autoRotate: true,
      writeKeys: async (home, simulator) => {
        await home.addKey({ label: 'bad', key: keyOf('bad'), baseUrl: nowhere(simulator.baseUrl) });
        await home.addKey({ label: 'good', key: keyOf('good'), baseUrl: simulator.baseUrl, disabled: true });
      },
    });
    expect((await proxy.chat()).status).toBe(404);
    expect((await proxy.trace(1))[0]).toMatchObject({ verdict: 'caller', error_code: 404 });
  });

  it('a 404 about the model, or of another endpoint, stays the client’s', async () => {
    const proxy = await startWith((url) => `${url.replace('127.0.0.1', 'localhost')}`);
    proxy.simulator.account('bad').fail('model_not_found');
    expect((await proxy.chat()).status).toBe(404);
    expect((await proxy.send('/files/no-such-file', { method: 'GET' })).status).toBe(404);
    expect(proxy.calls()).toHaveLength(2);
  });

  it('is named by doctor, keys test and health', async () => {
    const upstream = createServer((_, response) => {
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":{"message":"Not found"}}');
    }).listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    cleanUp(async () => void upstream.close());
    const home = await temporaryHome();
    await home.addKey({ label: 'bad', baseUrl: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/no/such` });
    const env = { ...home.env, KMI_DRY_RUN: '0', COLUMNS: '200', KMI_PLAIN: '1' };
    const run = (args: readonly string[]) => runKmi(args, { env, cwd: home.root });
    const checks: readonly { check: string; level: string; text: string }[] = JSON.parse(
      (await run(['doctor', '--json'])).stdout,
    ).checks;
    const finding = checks.find(({ check, level }) => check === 'upstream' && level === 'warn');
    expect(finding?.text).toMatch(/HTTP 404 at \/no\/such: the base URL of bad is probably wrong/);
    for (const args of [
      ['keys', 'test', '--json'],
      ['health', '--json'],
    ]) {
      expect((await run(args)).stdout).toMatch(/is its base URL right\? http:\/\/127\.0\.0\.1:\d+\/no\/such/);
    }
  });
});

it('the Open Platform takes requests of Anthropic’s protocol at a path of their own', () => {
  const targets = new UpstreamTargets();
  expect(targets.of('https://api.moonshot.ai/v1')).toMatchObject({ basePath: '/v1', anthropicBasePath: '/anthropic/v1' });
  expect(targets.of('https://api.kimi.com/coding/v1')).toMatchObject({ basePath: '/coding/v1', anthropicBasePath: '/coding/v1' });
  expect(targets.of('http://127.0.0.1:9/v1')).toMatchObject({ basePath: '/v1', anthropicBasePath: '/v1' });
});
