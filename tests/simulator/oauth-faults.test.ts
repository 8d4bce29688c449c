import { expect, it } from 'vitest';
import { exchange, openSimulator } from './client.ts';
import { beginDevice, CLIENT_ID, DEVICE_GRANT, poll, refresh, renew, sendForm } from './oauth-client.ts';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

/** A refresh over a connection of its own: the status, or the error that ended it. */
async function tryRefresh(origin: string, refreshToken: string): Promise<number | string | null> {
  const body = new URLSearchParams({ client_id: CLIENT_ID, grant_type: 'refresh_token', refresh_token: refreshToken });
  const { status, error } = await exchange(`${origin}/api/oauth/token`, { headers: FORM, body: String(body) });
  return error ?? status;
}

it.each<[string, Record<string, string>, string]>([
  ['token', { client_id: 'strange' }, 'invalid_client'],
  ['device_authorization', { client_id: 'strange' }, 'invalid_client'],
  ['token', { grant_type: 'password' }, 'unsupported_grant_type'],
  ['token', {}, 'unsupported_grant_type'],
])('answers /%s with %j: %s', async (endpoint, form, error) => {
  const simulator = await openSimulator();
  expect(await sendForm(simulator, endpoint, form)).toEqual({
    status: 400,
    body: { error, error_description: expect.any(String) },
  });
  expect(simulator.oauth.received).toMatchObject([{ result: error, status: 400 }]);
  expect([simulator.oauth.refused, simulator.oauth.pending]).toEqual([0, []]);
});

it('takes forms only', async () => {
  const simulator = await openSimulator();
  for (const endpoint of ['device_authorization', 'token']) {
    const { status, chunks } = await exchange(`${simulator.origin}/api/oauth/${endpoint}`, {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ client_id: CLIENT_ID, grant_type: 'refresh_token' }),
    });
    expect(status).toBe(400);
    expect(JSON.parse(Buffer.concat(chunks).toString()).error).toBe('invalid_request');
  }
});

it('has two endpoints, for POST', async () => {
  const simulator = await openSimulator();
  const status = async (method: string, path: string) =>
    (await exchange(simulator.origin + path, { method, headers: FORM, body: '' })).status;
  expect(await status('GET', '/api/oauth/token')).toBe(405);
  expect(await status('POST', '/api/oauth/revoke')).toBe(404);
  expect(await status('POST', '/api/oauth/token?x=1')).toBe(400);
  expect(simulator.oauth.received).toHaveLength(1);
});

it('keeps every request with its form and headers, apart from those of the API', async () => {
  const simulator = await openSimulator({ clock: () => 1234 });
  const { refresh_token } = simulator.oauth.issue('a');
  await beginDevice(simulator);
  await refresh(simulator, refresh_token);
  await simulator.waitFor(() => simulator.oauth.received.every(({ ended }) => ended !== null));
  const common = { at: 1234, headers: { 'user-agent': 'test/1' }, status: 200, ended: 'served' };
  expect(simulator.oauth.received).toMatchObject([
    { ...common, step: 'begin', form: { client_id: CLIENT_ID }, result: 'begun' },
    { ...common, step: 'refresh', form: { client_id: CLIENT_ID, grant_type: 'refresh_token', refresh_token }, result: 'granted' },
  ]);
  expect(simulator.oauth.grants[0]?.request).toBe(simulator.oauth.received[1]);
  expect(simulator.received).toEqual([]);
});

it('answers as a planned fault says, so many times, and decides nothing', async () => {
  const simulator = await openSimulator();
  const { refresh_token } = simulator.oauth.issue('a');
  simulator.oauth
    .fail({ status: 503, headers: { 'retry-after': '1' } }, { times: 2 })
    .fail({ status: 400, body: '{"error":"temporarily_unavailable"}' }, { times: 1 });
  expect(await refresh(simulator, refresh_token)).toEqual({ status: 503, body: { message: 'the simulator was told to fail' } });
  const { rawHeaders } = await exchange(`${simulator.origin}/api/oauth/token`, { headers: FORM });
  expect(rawHeaders).toEqual(expect.arrayContaining(['retry-after', '1']));
  expect(await refresh(simulator, refresh_token)).toEqual({ status: 400, body: { error: 'temporarily_unavailable' } });
  expect(simulator.oauth.grants).toEqual([]);
  expect(simulator.oauth.received.map(({ result }) => result)).toEqual(['fault', 'fault', 'fault']);
  await renew(simulator, refresh_token);
  expect([simulator.oauth.reused, simulator.oauth.refused]).toEqual([0, 0]);
});

it('strikes the steps it is planned for, with the probability it is given', async () => {
  const simulator = await openSimulator();
  const { oauth } = simulator;
  const rolls = [0.6, 0.4];
  oauth
    .fail({ status: 500 }, { on: ['poll'] })
    .fail({ status: 502 }, { on: ['refresh'], probability: 0.5, random: () => rolls.shift() ?? 1 });
  const device = await beginDevice(simulator);
  expect((await poll(simulator, device)).status).toBe(500);
  const { refresh_token } = await renew(simulator, oauth.issue('a').refresh_token);
  expect((await refresh(simulator, refresh_token)).status).toBe(502);
  oauth.heal();
  expect((await poll(simulator, device)).status).toBe(400);
});

it('resets before it decides', async () => {
  const simulator = await openSimulator();
  const { refresh_token } = simulator.oauth.issue('a');
  simulator.oauth.fail('refuse', { times: 1 });
  expect(await tryRefresh(simulator.origin, refresh_token)).toBe('ECONNRESET');
  await simulator.waitFor(() => simulator.oauth.received[0]?.ended === 'broken');
  expect(simulator.oauth.received).toMatchObject([{ step: 'refresh', result: 'fault', status: null }]);
  expect(await tryRefresh(simulator.origin, refresh_token)).toBe(200);
});

it('hangs until the client leaves', async () => {
  const simulator = await openSimulator();
  const { refresh_token } = simulator.oauth.issue('a');
  simulator.oauth.fail('hang', { times: 1 });
  const controller = new AbortController();
  const body = new URLSearchParams({ client_id: CLIENT_ID, grant_type: 'refresh_token', refresh_token });
  const answer = fetch(`${simulator.origin}/api/oauth/token`, { method: 'POST', body, signal: controller.signal });
  await simulator.waitFor(() => simulator.oauth.received.length === 1);
  expect(simulator.openResponses).toBe(1);
  controller.abort();
  await expect(answer).rejects.toThrow(/abort/);
  await simulator.waitFor(() => simulator.openResponses === 0);
  expect(simulator.oauth.received).toMatchObject([{ result: 'fault', status: null, ended: 'aborted' }]);
  await renew(simulator, refresh_token);
});

it.each(['reset_after_grant', 'hang_after_grant'] as const)('grants and loses the answer: %s', async (fault) => {
  const simulator = await openSimulator();
  const { oauth } = simulator;
  oauth.fail(fault, { times: 1, on: ['refresh'] });
  const { refresh_token } = oauth.issue('a');
  // A refusal is no grant, so the fault waits.
  expect(await tryRefresh(simulator.origin, 'strange')).toBe(400);
  const lost = tryRefresh(simulator.origin, refresh_token);
  await simulator.waitFor(() => oauth.grants.length === 1);
  expect(oauth.isLive(refresh_token)).toBe(false);
  if (fault === 'hang_after_grant') simulator.resetConnections();
  expect(await lost).toBe('ECONNRESET');
  await simulator.waitFor(() => oauth.grants[0]?.request.ended === 'broken');
  expect(oauth.grants).toMatchObject([
    { kind: 'refresh', refreshToken: refresh_token, request: { result: 'granted', status: null } },
  ]);
  expect(await tryRefresh(simulator.origin, refresh_token)).toBe(400);
  expect(oauth.reused).toBe(1);
});

it('loses the answer of a device that was let in', async () => {
  const simulator = await openSimulator();
  simulator.oauth.fail('reset_after_grant', { times: 1 });
  const device = await beginDevice(simulator);
  simulator.oauth.approve(device.userCode, 'a');
  const body = new URLSearchParams({ client_id: CLIENT_ID, grant_type: DEVICE_GRANT, device_code: device.deviceCode });
  const { error } = await exchange(`${simulator.origin}/api/oauth/token`, { headers: FORM, body: String(body) });
  expect(error).toBe('ECONNRESET');
  expect(simulator.oauth.grants).toMatchObject([{ kind: 'device', account: 'a' }]);
  expect((await poll(simulator, device)).body.error).toBe('invalid_grant');
});

it('waits between the decision and the answer', async () => {
  const simulator = await openSimulator({ oauth: { latencyMs: 60_000 } });
  const { oauth } = simulator;
  const { refresh_token } = oauth.issue('a');
  const answer = tryRefresh(simulator.origin, refresh_token);
  await simulator.waitFor(() => oauth.grants.length === 1);
  expect(oauth.received).toMatchObject([{ result: 'granted', ended: null }]);
  simulator.resetConnections();
  expect(await answer).toBe('ECONNRESET');
  await simulator.waitFor(() => simulator.openResponses === 0);
  oauth.behave({ latencyMs: 20 });
  const startedAt = performance.now();
  await renew(simulator, oauth.issue('a').refresh_token);
  expect(performance.now() - startedAt).toBeGreaterThan(18);
});
