import { expect, test } from 'vitest';
import { defaultConfig } from '../../src/config/settings.ts';
import { plainForm } from '../../src/proxy/upstream/plain-form.ts';
import { Upstreams } from '../../src/proxy/upstream/upstreams.ts';
import { cleanUp } from '../support/cleanup.ts';
import { freePort } from '../support/free-port.ts';
import { loginStage } from './stage.ts';

async function network() {
  const { simulator } = await loginStage();
  const upstreams = new Upstreams(defaultConfig(), {});
  cleanUp(() => upstreams.destroy());
  const send = (
    form: Record<string, string>,
    signal = new AbortController().signal,
    url = `${simulator.origin}/api/oauth/token`,
  ) => plainForm(upstreams, url, form, { signal, headers: { accept: 'application/json', 'x-own': 'yes' } });
  return { simulator, send };
}

test('a form arrives as one, whatever its values hold, and its answer comes back', async () => {
  const { simulator, send } = await network();
  const form = { client_id: 'a&b=c', grant_type: 'refresh_token', refresh_token: 'ä + %20' };
  const { status, headers, body } = await send(form);
  expect(status).toBe(400);
  expect(headers['content-type']).toBe('application/json');
  expect(JSON.parse(body)).toMatchObject({ error: 'invalid_client' });
  expect(simulator.oauth.received[0]).toMatchObject({
    form,
    headers: { 'x-own': 'yes', 'content-type': 'application/x-www-form-urlencoded' },
  });
});

test('no form goes over a connection that may be dead by now', async () => {
  const { simulator, send } = await network();
  for (let n = 0; n < 3; n += 1) await send({ n: String(n) });
  expect(simulator.connectionsEver).toBe(3);
  await expect.poll(() => simulator.connections).toBe(0);
});

test('of an answer without end only the beginning is read', async () => {
  const { simulator, send } = await network();
  simulator.oauth.fail({ status: 200, body: 'x'.repeat(10 * 1024 * 1024) });
  expect((await send({})).body).toHaveLength(64 * 1024);
});

test('no answer is a rejection, as is an abort', async () => {
  const { simulator, send } = await network();
  await expect(send({}, undefined, `http://127.0.0.1:${await freePort()}/`)).rejects.toThrow();
  simulator.oauth.fail('hang');
  const abort = new AbortController();
  const sent = send({}, abort.signal);
  sent.catch(() => undefined);
  await expect.poll(() => simulator.oauth.received.length).toBe(1);
  abort.abort();
  await expect(sent).rejects.toThrow();
});
