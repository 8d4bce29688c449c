import { expect, it } from 'vitest';
import type { TokenAnswer } from '../../src/simulator/simulator.ts';
import { chat, get, json, openSimulator, post } from './client.ts';
import { beginDevice, poll, refresh, renew } from './oauth-client.ts';

/** A simulator with the accounts "a" and "b", whose time stands still until the test moves it. */
async function openAt(options: Parameters<typeof openSimulator>[0] = {}) {
  const time = { now: 1_000_000 };
  const accounts = [
    { name: 'a', keys: ['sk-a'] },
    { name: 'b', keys: [] },
  ];
  return { time, simulator: await openSimulator({ clock: () => time.now, accounts, ...options }) };
}

const bearer = ({ access_token }: TokenAnswer) => ({ authorization: `Bearer ${access_token}` });

it('lets an access token do what a key of its account does', async () => {
  const { simulator } = await openAt();
  const tokens = simulator.oauth.issue('b');
  const key = tokens.access_token;
  expect((await json(await chat(simulator, {}, { key }))).choices[0].message.content).toContain('account b');
  const messages = await fetch(`${simulator.baseUrl}/messages`, {
    method: 'POST',
    headers: { 'x-api-key': key },
    body: JSON.stringify({ model: 'k3', messages: [{ role: 'user', content: 'Hi' }] }),
  });
  expect(messages.status).toBe(200);
  expect((await post(simulator, '/responses', { model: 'k3', input: 'Hi' }, { key })).status).toBe(200);
  for (const path of ['/usages', '/models', '/me']) expect((await get(simulator, path, bearer(tokens))).status).toBe(200);
  expect(simulator.account('b').books.served).toBe(3);
  expect(simulator.received.map(({ account }) => account)).toEqual(Array(6).fill('b'));
});

it('refuses a token that has ended or never was as it refuses a key', async () => {
  const { time, simulator } = await openAt();
  const tokens = simulator.oauth.issue('a');
  time.now += 899_999;
  expect((await get(simulator, '/me', bearer(tokens))).status).toBe(200);
  time.now += 1;
  for (const key of [tokens.access_token, tokens.refresh_token, 'eyJ.eyJ.x']) {
    const answer = await chat(simulator, {}, { key });
    expect(answer.status).toBe(401);
    expect((await json(answer)).error.message).toContain('API key appears to be invalid or may have expired');
    expect((await post(simulator, '/messages', {}, { key })).status).toBe(401);
  }
});

it('lets tokens live for fractions of a second', async () => {
  const { time, simulator } = await openAt({ oauth: { accessLifetimeS: 0.25 } });
  const tokens = simulator.oauth.issue('a');
  expect(tokens.expires_in).toBe(0.25);
  time.now += 249;
  expect((await get(simulator, '/me', bearer(tokens))).status).toBe(200);
  time.now += 1;
  expect((await get(simulator, '/me', bearer(tokens))).status).toBe(401);
});

it('renews both tokens, and writes the grant down', async () => {
  const { time, simulator } = await openAt();
  const first = simulator.oauth.issue('a');
  time.now += 675_000;
  const second = await renew(simulator, first.refresh_token);
  expect(second).toMatchObject({ expires_in: 900, scope: 'kimi-code', token_type: 'Bearer' });
  time.now += 1_000_000;
  const third = await renew(simulator, second.refresh_token);
  const issued = [first, second, third].flatMap(({ access_token, refresh_token }) => [access_token, refresh_token]);
  expect(new Set(issued).size).toBe(6);
  for (const token of issued) expect(token).toMatch(/^eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+$/);
  const common = { kind: 'refresh', account: 'a', userAgent: 'test/1', deviceId: 'device-1' };
  expect(simulator.oauth.grants).toMatchObject([
    { ...common, at: 1_675_000, refreshToken: first.refresh_token, lifeLeftShare: 0.25 },
    { ...common, at: 2_675_000, refreshToken: second.refresh_token, lifeLeftShare: 0 },
  ]);
  expect(simulator.oauth.renewals()).toBe(2);
  expect(simulator.oauth.renewals('a')).toBe(2);
  expect(simulator.oauth.renewals('b')).toBe(0);
});

it('takes a refresh token once', async () => {
  const { simulator } = await openAt();
  const { oauth } = simulator;
  const first = oauth.issue('a');
  expect(oauth.isLive(first.refresh_token)).toBe(true);
  const second = await renew(simulator, first.refresh_token);
  expect(oauth.isLive(first.refresh_token)).toBe(false);
  expect(await refresh(simulator, first.refresh_token)).toEqual({
    status: 400,
    body: { error: 'invalid_grant', error_description: 'The provided authorization grant is invalid' },
  });
  expect([oauth.reused, oauth.refused, oauth.grants.length]).toEqual([1, 1, 1]);
  // What came of the first time stays good.
  expect((await get(simulator, '/me', bearer(second))).status).toBe(200);
  expect((await refresh(simulator, second.refresh_token)).status).toBe(200);
});

it('gives one pair to many that send one refresh token at once', async () => {
  const { simulator } = await openAt();
  const { refresh_token } = simulator.oauth.issue('a');
  const answers = await Promise.all(Array.from({ length: 8 }, () => refresh(simulator, refresh_token)));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(400)]);
  expect([simulator.oauth.grants.length, simulator.oauth.reused]).toEqual([1, 7]);
});

it('ends the whole login when a used token comes again, if told so', async () => {
  const { simulator } = await openAt({ oauth: { revokesFamilyOnReuse: true } });
  const other = simulator.oauth.issue('a');
  const first = simulator.oauth.issue('a');
  const second = await renew(simulator, first.refresh_token);
  expect((await refresh(simulator, first.refresh_token)).status).toBe(400);
  expect((await get(simulator, '/me', bearer(second))).status).toBe(401);
  expect(await refresh(simulator, second.refresh_token)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
  expect([simulator.oauth.reused, simulator.oauth.refused]).toEqual([1, 2]);
  expect((await get(simulator, '/me', bearer(other))).status).toBe(200);
  expect(simulator.oauth.isLive(other.refresh_token)).toBe(true);
});

it.each([
  ['error', 400, { error: 'invalid_grant', error_description: 'The provided authorization grant is invalid' }],
  ['text', 400, { message: 'The provided authorization grant is invalid' }],
  ['unauthorized', 401, { message: 'Unauthorized' }],
  ['forbidden', 403, { message: 'Forbidden' }],
] as const)('refuses in the form "%s", and no code of a device', async (refusal, status, body) => {
  const { simulator } = await openAt({ oauth: { refusal } });
  expect(await refresh(simulator, 'eyJ.eyJ.x')).toEqual({ status, body });
  expect([simulator.oauth.refused, simulator.oauth.reused]).toEqual([1, 0]);
  const device = await beginDevice(simulator);
  simulator.oauth.approve(device.userCode, 'a');
  await poll(simulator, device);
  expect(await poll(simulator, device)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
});

it.each([
  [true, 200],
  [false, 401],
])('answers the old access token after its renewal with keepOldAccess %s: %i', async (keepOldAccess, status) => {
  const { simulator } = await openAt({ oauth: { keepOldAccess } });
  const first = simulator.oauth.issue('a');
  const second = await renew(simulator, first.refresh_token);
  expect((await get(simulator, '/me', bearer(first))).status).toBe(status);
  expect((await get(simulator, '/me', bearer(second))).status).toBe(200);
});

it('ends the logins of a revoked account, not its keys and not the next login', async () => {
  const { simulator } = await openAt();
  const { oauth } = simulator;
  const [tokens, ofB] = [oauth.issue('a'), oauth.issue('b')];
  oauth.revoke('a');
  expect(oauth.isLive(tokens.refresh_token)).toBe(false);
  expect((await refresh(simulator, tokens.refresh_token)).body.error).toBe('invalid_grant');
  expect((await get(simulator, '/me', bearer(tokens))).status).toBe(401);
  expect([oauth.refused, oauth.reused]).toEqual([1, 0]);
  expect((await get(simulator, '/me', { authorization: 'Bearer sk-a' })).status).toBe(200);
  expect((await get(simulator, '/me', bearer(ofB))).status).toBe(200);
  const again = oauth.issue('a');
  expect((await get(simulator, '/me', bearer(again))).status).toBe(200);
  expect((await refresh(simulator, again.refresh_token)).status).toBe(200);
  expect(() => oauth.revoke('nobody')).toThrow('no account named nobody');
});

it('ends access tokens before their time and leaves the login', async () => {
  const { simulator } = await openAt();
  const first = simulator.oauth.issue('a');
  const ofB = simulator.oauth.issue('b');
  simulator.oauth.endAccess('a');
  expect((await get(simulator, '/me', bearer(first))).status).toBe(401);
  expect((await get(simulator, '/me', bearer(ofB))).status).toBe(200);
  const second = await renew(simulator, first.refresh_token);
  expect((await get(simulator, '/me', bearer(second))).status).toBe(200);
  expect(simulator.oauth.grants[0]?.lifeLeftShare).toBe(0);
});
