import { expect, test } from 'vitest';
import { type DeviceCode, loginByDevice } from '../../src/logins/device-login.ts';
import type { OauthNet } from '../../src/logins/oauth-client.ts';
import { soon } from '../support/soon.ts';
import { loginStage } from './stage.ts';

async function deviceStage(oauth: Parameters<typeof loginStage>[0] = {}) {
  const { simulator, logins, secrets, post } = await loginStage({ intervalS: 1, ...oauth });
  const codes: DeviceCode[] = [];
  const abort = new AbortController();
  const start = () =>
    logins.logInByDevice(simulator.origin, {
      onCode: (code) => {
        codes.push(code);
      },
      signal: abort.signal,
    });
  const net: OauthNet = { post, clock: Date.now, onSecret: () => undefined, headers: async () => ({ 'User-Agent': 'kmi/0' }) };
  const polls = () => simulator.oauth.received.filter(({ step }) => step === 'poll');
  return { simulator, oauth: simulator.oauth, secrets, codes, abort, start, net, polls };
}

const seconds = (requests: readonly { at: number }[]) =>
  requests.slice(1).map(({ at }, n) => (at - (requests[n] as { at: number }).at) / 1000);

test('a person sees the code at once, confirms it, and the device is in', async () => {
  const { simulator, oauth, secrets, codes, start, polls } = await deviceStage();
  const login = start();
  await expect.poll(() => codes.length).toBe(1);
  const [code] = codes as [DeviceCode];
  expect(code.verificationUri).toBe(`${simulator.origin}/device`);
  expect(code.verificationUriComplete).toBe(`${simulator.origin}/device?user_code=${code.userCode}`);
  // The server's codes last for 30 minutes, the wait for a person for 15.
  expect(Math.abs(code.expiresAt - Date.now() - 900_000)).toBeLessThan(soon(5_000));
  await expect.poll(() => polls().length).toBe(1);
  oauth.approve(code.userCode, 'ada');
  const tokens = await login;
  expect(oauth.accountOf(tokens.accessToken)?.name).toBe('ada');
  expect(oauth.isLive(tokens.refreshToken)).toBe(true);
  expect(tokens).toMatchObject({ expiresIn: 900, tokenType: 'Bearer', scope: 'kimi-code' });
  // The device code gets tokens: it is a secret as they are.
  const { device_code = '' } = polls()[0]?.form ?? {};
  expect([...secrets].sort()).toEqual([device_code, tokens.accessToken, tokens.refreshToken].sort());
  expect(Object.keys(oauth.received[0]?.form ?? {})).toEqual(['client_id']);
});

test('the first poll goes out at once, the next after the interval', async () => {
  const { oauth, codes, start, polls } = await deviceStage();
  const login = start();
  await expect.poll(() => polls().length).toBe(3);
  oauth.approve(codes[0]?.userCode ?? '', 'ada');
  await login;
  const [begin, ...rest] = oauth.received;
  const [first, ...gaps] = seconds([begin as { at: number }, ...rest]);
  expect(first).toBeLessThan(soon(300) / 1000);
  for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(0.95);
});

test('an interval below 1 s counts as 1 s', async () => {
  const { oauth, codes, start, polls } = await deviceStage({ intervalS: 0.01 });
  const login = start();
  await expect.poll(() => polls().length).toBe(2);
  oauth.approve(codes[0]?.userCode ?? '', 'ada');
  await login;
  expect(seconds(polls())[0]).toBeGreaterThanOrEqual(0.95);
});

test('slow_down makes every later poll 5 s slower', async () => {
  const { oauth, codes, start, polls } = await deviceStage();
  const login = start();
  await expect.poll(() => polls().length).toBe(1);
  const userCode = codes[0]?.userCode ?? '';
  oauth.slowDown(userCode);
  await expect.poll(() => polls().length, { timeout: 30_000 }).toBe(4);
  oauth.approve(userCode, 'ada');
  await login;
  const [first, ...slower] = seconds(polls());
  expect(first).toBeLessThan(soon(1_500) / 1000);
  expect(slower.length).toBeGreaterThanOrEqual(2);
  for (const gap of slower) expect(gap).toBeGreaterThanOrEqual(5.95);
});

test('a code that has expired is replaced, and the person sees the new one', async () => {
  const { oauth, codes, start, polls } = await deviceStage();
  const login = start();
  await expect.poll(() => polls().length).toBe(1);
  oauth.expire(codes[0]?.userCode ?? '');
  await expect.poll(() => codes.length).toBe(2);
  const [first, second] = codes as [DeviceCode, DeviceCode];
  expect(second.userCode).not.toBe(first.userCode);
  oauth.approve(second.userCode, 'ben');
  expect(oauth.accountOf((await login).accessToken)?.name).toBe('ben');
});

test('a person who says no ends it', async () => {
  const { oauth, codes, start, polls } = await deviceStage();
  const login = start();
  login.catch(() => undefined);
  await expect.poll(() => polls().length).toBe(1);
  oauth.deny(codes[0]?.userCode ?? '');
  await expect(login).rejects.toMatchObject({ code: 'login_failed', message: 'The login was denied.' });
  expect(oauth.grants).toEqual([]);
});

test.each([
  [{ status: 500 }, 'answered 500: the simulator was told to fail.'],
  [{ status: 503, body: '{"error":"authorization_pending"}' }, 'answered 503: authorization_pending.'],
  [{ status: 400, body: '{"error":"invalid_client","error_description":"No such client."}' }, 'answered 400: No such client.'],
  [{ status: 400, body: '{"detail":"Odd"}' }, 'answered 400: Odd.'],
  [{ status: 200, body: '{"access_token":"alone"}' }, 'answered 200.'],
])('another answer to a poll ends the login: %j', async (fault, words) => {
  const { oauth, start, polls } = await deviceStage();
  oauth.fail(fault, { on: ['poll'] });
  await expect(start()).rejects.toMatchObject({ code: 'login_failed', message: expect.stringContaining(words) });
  expect(polls()).toHaveLength(1);
});

test('a poll without an answer is made again', async () => {
  const { oauth, codes, start, polls } = await deviceStage();
  oauth.fail('refuse', { on: ['poll'], times: 2 });
  const login = start();
  await expect.poll(() => polls().length).toBe(3);
  oauth.approve(codes[0]?.userCode ?? '', 'ada');
  expect(oauth.accountOf((await login).accessToken)?.name).toBe('ada');
});

test('a server that has gone ends the login', async () => {
  const { oauth, start, polls } = await deviceStage();
  oauth.fail('refuse', { on: ['poll'] });
  await expect(start()).rejects.toMatchObject({ code: 'login_failed', message: expect.stringContaining('connection lost') });
  expect(polls()).toHaveLength(5);
});

test.each([
  [{ status: 429, body: '{"message":"Slow down, please!"}' }, 'answered 429: Slow down, please.'],
  [{ status: 200, body: '{}' }, 'without a code or an address'],
  [
    { status: 200, body: '{"user_code":"A","device_code":"B","verification_uri_complete":"javascript:alert(1)"}' },
    'without a code or an address',
  ],
  [
    { status: 200, body: '{"user_code":"A\\u001b[2J","device_code":"B","verification_uri_complete":"https://a/"}' },
    'without a code',
  ],
  ['refuse' as const, 'No answer came'],
])('a login that cannot begin says why: %j', async (fault, words) => {
  const { oauth, codes, start } = await deviceStage();
  oauth.fail(fault, { on: ['begin'] });
  await expect(start()).rejects.toMatchObject({ code: 'login_failed', message: expect.stringContaining(words) });
  expect(codes).toEqual([]);
});

test('it can be cancelled at any time, and says so', async () => {
  const { abort, start, polls, oauth } = await deviceStage({ intervalS: 60 });
  const login = start();
  login.catch(() => undefined);
  await expect.poll(() => polls().length).toBe(1);
  const begin = performance.now();
  abort.abort();
  await expect(login).rejects.toMatchObject({ code: 'login_failed', message: 'The login was cancelled.' });
  expect(performance.now() - begin).toBeLessThan(soon(500));
  await expect(start()).rejects.toMatchObject({ message: 'The login was cancelled.' });
  expect(oauth.pending).toHaveLength(1);
});

test('an answer that is on its way does not hold up the cancelling', async () => {
  const { abort, start, polls, oauth } = await deviceStage();
  oauth.fail('hang', { on: ['poll'] });
  const login = start();
  login.catch(() => undefined);
  await expect.poll(() => polls().length).toBe(1);
  abort.abort();
  await expect(login).rejects.toMatchObject({ message: 'The login was cancelled.' });
});

test('all codes together have their time', async () => {
  const { simulator, net, polls } = await deviceStage();
  const onCode = () => undefined;
  const login = loginByDevice(net, simulator.origin, { onCode, signal: new AbortController().signal, limitMs: 1_500 });
  await expect(login).rejects.toMatchObject({ code: 'login_failed', message: 'Nobody confirmed the code in time.' });
  expect(polls()).toHaveLength(2);
});
