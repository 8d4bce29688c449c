import { expect, it } from 'vitest';
import { get, json, openSimulator } from './client.ts';
import { beginDevice, DEVICE_GRANT, poll, sendForm } from './oauth-client.ts';

/** A simulator whose time stands still until the test moves it. */
async function openAt(start = 1_000_000) {
  const time = { now: start };
  return { time, simulator: await openSimulator({ clock: () => time.now }) };
}

it('begins with two codes and the address to confirm them at', async () => {
  const { simulator } = await openAt();
  const { status, body } = await sendForm(simulator, 'device_authorization');
  expect(status).toBe(200);
  expect(body).toEqual({
    user_code: expect.stringMatching(/^[B-Z]{4}-[B-Z]{4}$/),
    device_code: expect.stringMatching(/^[\w-]{43}$/),
    verification_uri: `${simulator.origin}/device`,
    verification_uri_complete: `${simulator.origin}/device?user_code=${body.user_code}`,
    expires_in: 1800,
    interval: 5,
  });
  expect(simulator.oauth.pending).toEqual([body.user_code]);
});

it('gives the account the person approves, once', async () => {
  const { time, simulator } = await openAt();
  const device = await beginDevice(simulator);
  expect(await poll(simulator, device)).toMatchObject({ status: 400, body: { error: 'authorization_pending' } });
  simulator.oauth.approve(device.userCode, 'a');
  expect(simulator.oauth.pending).toEqual([]);
  time.now += 5000;
  const { status, body } = await poll(simulator, device);
  expect(status).toBe(200);
  expect(body).toEqual({
    access_token: expect.stringMatching(/^eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+$/),
    refresh_token: expect.stringMatching(/^eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+$/),
    expires_in: 900,
    scope: 'kimi-code',
    token_type: 'Bearer',
  });
  const me = await get(simulator, '/me', { authorization: `Bearer ${body.access_token}` });
  expect(await json(me)).toMatchObject({ user_id: 'user-a' });
  expect(await poll(simulator, device)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
  expect(simulator.oauth.grants).toMatchObject([
    {
      kind: 'device',
      account: 'a',
      at: time.now,
      refreshToken: null,
      lifeLeftShare: null,
      userAgent: 'test/1',
      deviceId: 'device-1',
    },
  ]);
});

it('tells a device that polls too fast to slow down by 5 s, for good', async () => {
  const { time, simulator } = await openAt();
  const device = await beginDevice(simulator);
  const answers: unknown[] = [];
  for (const wait of [0, 4950, 4000, 9000, 14_950]) {
    time.now += wait;
    answers.push((await poll(simulator, device)).body.error);
  }
  expect(answers).toEqual(['authorization_pending', 'authorization_pending', 'slow_down', 'slow_down', 'authorization_pending']);
});

it('tells a device to slow down when the test says so', async () => {
  const { time, simulator } = await openAt();
  const device = await beginDevice(simulator);
  simulator.oauth.slowDown(device.userCode);
  expect((await poll(simulator, device)).body.error).toBe('slow_down');
  time.now += 10_000;
  expect((await poll(simulator, device)).body.error).toBe('authorization_pending');
});

it('says access_denied after a denial, and every time', async () => {
  const { simulator } = await openAt();
  const device = await beginDevice(simulator);
  simulator.oauth.deny(device.userCode);
  for (let n = 0; n < 2; n++) {
    expect(await poll(simulator, device)).toMatchObject({ status: 400, body: { error: 'access_denied' } });
  }
});

it('says expired_token when the time is over, also to a device that was let in', async () => {
  const { time, simulator } = await openAt();
  const [pending, approved] = [await beginDevice(simulator), await beginDevice(simulator)];
  simulator.oauth.approve(approved.userCode, 'a');
  time.now += 1_800_000;
  for (const device of [pending, approved]) {
    expect(await poll(simulator, device)).toMatchObject({ status: 400, body: { error: 'expired_token' } });
  }
  expect(simulator.oauth.pending).toEqual([]);
});

it('says expired_token when the test ends the time', async () => {
  const { simulator } = await openAt();
  const device = await beginDevice(simulator);
  simulator.oauth.expire(device.userCode);
  expect((await poll(simulator, device)).body.error).toBe('expired_token');
});

it('takes the lifetime and the interval from its behaviour, for devices that begin later', async () => {
  const { time, simulator } = await openAt();
  simulator.oauth.behave({ deviceLifetimeS: 0.5, intervalS: 0.2 });
  const { body } = await sendForm(simulator, 'device_authorization');
  expect(body).toMatchObject({ expires_in: 0.5, interval: 0.2 });
  const device = { userCode: String(body.user_code), deviceCode: String(body.device_code) };
  const errors: unknown[] = [];
  for (const wait of [0, 200, 300]) {
    time.now += wait;
    errors.push((await poll(simulator, device)).body.error);
  }
  expect(errors).toEqual(['authorization_pending', 'authorization_pending', 'expired_token']);
});

it('keeps the devices apart', async () => {
  const { simulator } = await openAt();
  simulator.addAccount({ name: 'b', keys: [] });
  const [first, second] = [await beginDevice(simulator), await beginDevice(simulator)];
  expect(simulator.oauth.pending).toEqual([first.userCode, second.userCode]);
  simulator.oauth.approve(second.userCode, 'b');
  expect((await poll(simulator, first)).body.error).toBe('authorization_pending');
  const { access_token } = (await poll(simulator, second)).body;
  expect(simulator.oauth.accountOf(String(access_token))?.name).toBe('b');
});

it('says invalid_grant to a code it never gave', async () => {
  const { simulator } = await openAt();
  for (const form of [{ device_code: 'strange' }, {}]) {
    expect(await sendForm(simulator, 'token', { grant_type: DEVICE_GRANT, ...form })).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant', error_description: 'The provided authorization grant is invalid' },
    });
  }
});

it('lets the test decide about waiting devices only, and for accounts there are', async () => {
  const { simulator } = await openAt();
  const { oauth } = simulator;
  const { userCode } = await beginDevice(simulator);
  expect(() => oauth.approve(userCode, 'nobody')).toThrow('no account named nobody');
  oauth.deny(userCode);
  for (const decide of [
    () => oauth.approve(userCode, 'a'),
    () => oauth.deny(userCode),
    () => oauth.expire('ABCD-EFGH'),
    () => oauth.slowDown('ABCD-EFGH'),
  ]) {
    expect(decide).toThrow('no device waits with the code');
  }
});
