import { expect, test } from 'vitest';
import { fetchAccountId, fetchProfile, hashAccountId } from '../../src/accounts/fetch-account.ts';
import { defaultConfig } from '../../src/config/settings.ts';
import { plainGet } from '../../src/proxy/upstream/plain-get.ts';
import { Upstreams } from '../../src/proxy/upstream/upstreams.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { cleanUp } from '../support/cleanup.ts';
import { freePort } from '../support/free-port.ts';

async function network() {
  const simulator = await startSimulator({ accounts: [{ name: 'ada', keys: ['sk-ada'], userId: 'u-ada' }] });
  const upstreams = new Upstreams(defaultConfig(), {});
  cleanUp(async () => {
    await upstreams.destroy();
    await simulator.close();
  });
  return {
    simulator,
    get: (url: string, options: Parameters<typeof plainGet>[2]) => plainGet(upstreams, url, options),
  };
}

test('the account of a key is the hash of its user_id, and nothing that tells who it is', async () => {
  const { simulator, get } = await network();
  const id = await fetchAccountId({ value: 'sk-ada', baseUrl: simulator.baseUrl }, get);
  expect(id).toBe(hashAccountId('u-ada'));
  expect(id).toMatch(/^[0-9a-f]{16}$/);
  expect(hashAccountId('u-ada')).not.toBe(hashAccountId('u-ben'));
});

test('an answer that names no account is none, and neither is no answer', async () => {
  const { simulator, get } = await network();
  const { baseUrl } = simulator;
  const ask = () => fetchAccountId({ value: 'sk-ada', baseUrl }, get);
  expect(await fetchAccountId({ value: 'sk-wrong', baseUrl }, get)).toBeNull();
  const ada = simulator.account('ada');
  for (const body of ['<html>', '[]', 'null', '{"user_id":""}', '{"user_id":{}}']) {
    ada.respondWith({ chunks: [body] }, { on: ['me'], times: 1 });
    expect(await ask()).toBeNull();
  }
  ada.respondWith({ status: 302, chunks: ['{"user_id":"u-ada"}'] }, { on: ['me'], times: 1 });
  expect(await ask()).toBeNull();
  expect(await ask()).toBe(hashAccountId('u-ada'));
  expect(await fetchAccountId({ value: 'x', baseUrl: `http://127.0.0.1:${await freePort()}` }, get)).toBeNull();
});

test('a caller that stops gets no answer', async () => {
  const { simulator, get } = await network();
  simulator.account('ada').fail('hang', { on: ['me'] });
  const abort = new AbortController();
  const asking = fetchAccountId({ value: 'sk-ada', baseUrl: simulator.baseUrl }, get, abort.signal);
  await simulator.waitFor((all) => all.length === 1);
  abort.abort();
  expect(await asking).toBeNull();
});

test('a profile has the address and the name as the answer says them, and an answer without an account its status', async () => {
  const { simulator, get } = await network();
  const { baseUrl } = simulator;
  const ask = (value = 'sk-ada') => fetchProfile({ value, baseUrl }, get);
  const ada = simulator.account('ada');
  const answer = (body: unknown) => ada.respondWith({ chunks: [JSON.stringify(body)] }, { on: ['me'], times: 1 });
  answer({ user_id: 'u-ada', email: ' ada@example.com ', nickname: 'Ada' });
  const account = hashAccountId('u-ada');
  expect(await ask()).toEqual({ kind: 'known', profile: { account, email: 'ada@example.com', nickname: 'Ada' } });
  answer({ user_id: 'u-ada', email: 7, nickname: '' });
  expect(await ask()).toEqual({ kind: 'known', profile: { account, email: null, nickname: null } });
  expect(await ask('sk-wrong')).toEqual({ kind: 'unknown', status: 401 });
  expect(await fetchProfile({ value: 'x', baseUrl: `http://127.0.0.1:${await freePort()}` }, get)).toEqual({
    kind: 'unknown',
    status: null,
  });
});
