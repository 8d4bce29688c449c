import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadLoginKeys } from '../../src/logins/login-keys.ts';
import { loginPath } from '../../src/logins/login-store.ts';
import type { PostForm } from '../../src/logins/logins.ts';
import { isDue, type Renewal } from '../../src/logins/renew.ts';
import { VERSION } from '../../src/version.ts';
import { soon } from '../support/soon.ts';
import { fileOf, fingerprints, loginStage, pairOf } from './stage.ts';

const LIMITS = { lockMs: 10_000, tryMs: 300, allMs: 10_000 };

function tokensIn(renewal: Renewal) {
  if (renewal.kind !== 'renewed' && renewal.kind !== 'current') throw new Error(`no tokens: ${JSON.stringify(renewal)}`);
  return renewal.tokens;
}

test('a token that is not due is left alone', async () => {
  const { logins, simulator, addOwn } = await loginStage();
  const { login, tokens } = await addOwn();
  expect(await logins.renew(login.id)).toEqual({ kind: 'current', tokens });
  expect(simulator.oauth.received).toEqual([]);
});

test.each([
  { passedS: 440, dueShare: undefined, due: false },
  { passedS: 460, dueShare: undefined, due: true },
  { passedS: 600, dueShare: 0.3, due: false },
  { passedS: 640, dueShare: 0.3, due: true },
  // None is renewed before 30 % of its life has passed, whatever the share.
  { passedS: 260, dueShare: 0.95, due: false },
  { passedS: 280, dueShare: 0.95, due: true },
  { passedS: 5000, dueShare: undefined, due: true },
])('of 900 s, $passedS have passed: due is $due with a share of $dueShare', async ({ passedS, dueShare, due }) => {
  const { another, simulator, addOwn } = await loginStage();
  const { login } = await addOwn();
  const logins = another({ clock: () => Date.now() + passedS * 1000 });
  const renewal = await logins.renew(login.id, dueShare === undefined ? {} : { dueShare });
  expect(renewal.kind).toBe(due ? 'renewed' : 'current');
  expect(simulator.oauth.renewals()).toBe(due ? 1 : 0);
});

test('a pair without an end is never due, and one without a life is due in its last five minutes', () => {
  const tokens = { accessToken: 'a', refreshToken: 'r', expiresAt: 1_000_000, expiresIn: null, scope: '', tokenType: '' };
  expect(isDue({ ...tokens, expiresAt: null, expiresIn: 900 }, 9e15)).toBe(false);
  expect(isDue(tokens, (1_000_000 - 301) * 1000)).toBe(false);
  expect(isDue(tokens, (1_000_000 - 299) * 1000)).toBe(true);
});

test('the new pair is on disk before anybody gets it, in place of the old one, and every token was told', async () => {
  const { logins, simulator, stateDir, addOwn, secrets } = await loginStage();
  const { login, tokens } = await addOwn();
  const renewed = tokensIn(await logins.renew(login.id, { refusedToken: tokens.accessToken }));
  expect(await fileOf(stateDir, login.id)).toMatchObject({
    label: 'ada',
    tokens: { access_token: renewed.accessToken, refresh_token: renewed.refreshToken, expires_in: 900 },
  });
  expect((await stat(loginPath(stateDir, login.id))).mode & 0o777).toBe(0o600);
  expect(await readdir(join(stateDir, 'logins'))).toEqual([`${login.id}.json`]);
  expect(simulator.oauth.isLive(renewed.refreshToken)).toBe(true);
  expect(Math.abs(Number(renewed.expiresAt) - Date.now() / 1000 - 900)).toBeLessThan(60);
  expect([...secrets].sort()).toEqual(
    [tokens, renewed].flatMap(({ accessToken, refreshToken }) => [accessToken, refreshToken]).sort(),
  );
});

test('kmi asks under its own name, always as the same device', async () => {
  const { logins, another, simulator, stateDir, addOwn } = await loginStage();
  const { login, tokens } = await addOwn();
  const first = tokensIn(await logins.renew(login.id, { refusedToken: tokens.accessToken }));
  await another().renew(login.id, { refusedToken: first.accessToken });
  const device = (await readFile(join(stateDir, 'device_id'), 'utf8')).trim();
  expect(device).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/);
  expect((await stat(join(stateDir, 'device_id'))).mode & 0o777).toBe(0o600);
  expect(simulator.oauth.received).toHaveLength(2);
  for (const { headers, form } of simulator.oauth.received) {
    expect(headers).toMatchObject({
      'user-agent': `kmi/${VERSION}`,
      'x-msh-platform': 'kmi',
      'x-msh-version': VERSION,
      'x-msh-device-name': expect.any(String),
      'x-msh-device-model': expect.any(String),
      'x-msh-os-version': expect.any(String),
      'x-msh-device-id': device,
      accept: 'application/json',
    });
    expect(Object.keys(form).sort()).toEqual(['client_id', 'grant_type', 'refresh_token']);
  }
});

test('of many who come at the same time one renews, also when all met the same 401', async () => {
  const { logins, simulator, addOwn } = await loginStage({ latencyMs: 50 });
  const { login, tokens } = await addOwn();
  const forced = Array.from({ length: 10 }, () => logins.renew(login.id, { refusedToken: tokens.accessToken }));
  const renewals = await Promise.all([...forced, logins.renew(login.id)]);
  expect(new Set(renewals.map((renewal) => tokensIn(renewal).accessToken)).size).toBe(1);
  expect(simulator.oauth.renewals()).toBe(1);
});

test('who met a 401 does not take a look at the same token for an answer', async () => {
  const { logins, simulator, addOwn } = await loginStage();
  const { login, tokens } = await addOwn();
  const [look, forced] = await Promise.all([
    logins.renew(login.id),
    logins.renew(login.id, { refusedToken: tokens.accessToken }),
  ]);
  expect(look).toEqual({ kind: 'current', tokens });
  expect(forced.kind).toBe('renewed');
  expect(simulator.oauth.renewals()).toBe(1);
});

test('a 401 that comes late, with a token that was renewed meanwhile, costs no grant', async () => {
  const { logins, simulator, addOwn } = await loginStage();
  const { login, tokens } = await addOwn();
  const renewed = tokensIn(await logins.renew(login.id, { refusedToken: tokens.accessToken }));
  expect(await logins.renew(login.id, { refusedToken: tokens.accessToken })).toEqual({ kind: 'current', tokens: renewed });
  expect(simulator.oauth.renewals()).toBe(1);
});

test.each(['error', 'text', 'unauthorized', 'forbidden'] as const)(
  'refused for good (%s): said once, remembered, and never sent again, until somebody logs in',
  async (refusal) => {
    const { logins, another, simulator, stateDir, addOwn } = await loginStage({ refusal });
    const { login, tokens } = await addOwn();
    simulator.oauth.revoke('ada');
    const refused = { refusedToken: tokens.accessToken };
    expect(await logins.renew(login.id, refused)).toEqual({ kind: 'refused' });
    expect((await loadLoginKeys(stateDir)).keys[0]?.login?.isOver).toBe(true);
    expect(await fileOf(stateDir, login.id)).toMatchObject({ tokens: { refresh_token: tokens.refreshToken } });
    expect(await another().renew(login.id, refused)).toEqual({ kind: 'refused' });
    expect(simulator.oauth.received).toHaveLength(1);
    await addOwn();
    expect((await logins.renew(login.id)).kind).toBe('current');
    expect((await loadLoginKeys(stateDir)).keys[0]?.login?.isOver).toBe(false);
  },
);

test.each([
  [{ status: 400, body: '{"error":"invalid_request","error_description":"No."}' }, 'answered 400: No.'],
  [{ status: 400, body: 'nonsense' }, 'answered 400.'],
  [{ status: 404 }, 'answered 404: the simulator was told to fail.'],
  [{ status: 200, body: '{"access_token":"alone"}' }, 'answered 200.'],
  [{ status: 200, body: '{"access_token":"a b","refresh_token":"c","expires_in":900}' }, 'answered 200.'],
  [{ status: 302, headers: { location: 'https://example.com/' }, body: '' }, 'answered 302.'],
  [{ status: 403, body: '<html>Sign in</html>', headers: { 'content-type': 'text/html' } }, 'a web page'],
])('another answer fails the renewal after one try, and ends no login: %j', async (fault, words) => {
  const { logins, simulator, addOwn, stateDir } = await loginStage();
  const { login, tokens } = await addOwn();
  simulator.oauth.fail(fault, { times: 1 });
  const renewal = await logins.renew(login.id, { refusedToken: tokens.accessToken });
  expect(renewal).toEqual({ kind: 'failed', reason: expect.stringContaining(words) });
  expect(simulator.oauth.received).toHaveLength(1);
  expect((await loadLoginKeys(stateDir)).keys[0]?.login?.isOver).toBe(false);
  expect((await logins.renew(login.id, { refusedToken: tokens.accessToken })).kind).toBe('renewed');
});

test('what the server says is told without the tokens that stand in it', async () => {
  const { logins, simulator, addOwn } = await loginStage();
  const { login, tokens } = await addOwn();
  simulator.oauth.fail(
    { status: 400, body: JSON.stringify({ message: `bad token ${tokens.refreshToken}\u001b[2J` }) },
    { times: 1 },
  );
  const renewal = await logins.renew(login.id, { refusedToken: tokens.accessToken });
  expect(renewal).toEqual({ kind: 'failed', reason: `${simulator.origin} answered 400: bad token *** [2J.` });
});

test.each([429, 500, 502, 503, 504, 'refuse'] as const)('%s is tried three times, 1 s and 2 s apart', async (fault) => {
  const { logins, simulator, addOwn } = await loginStage();
  const { login, tokens } = await addOwn();
  simulator.oauth.fail(typeof fault === 'number' ? { status: fault } : fault, { times: 2 });
  expect((await logins.renew(login.id, { refusedToken: tokens.accessToken })).kind).toBe('renewed');
  const [first, second, third, ...more] = simulator.oauth.received.map(({ at }) => at) as [number, number, number];
  expect(more).toEqual([]);
  expect(second - first).toBeGreaterThanOrEqual(990);
  expect(second - first).toBeLessThan(soon(1500));
  expect(third - second).toBeGreaterThanOrEqual(1990);
  expect(third - second).toBeLessThan(soon(2500));
});

test('after the third try the renewal has failed, and the old pair is where it was', async () => {
  const { logins, simulator, addOwn, stateDir } = await loginStage();
  const { login, tokens } = await addOwn();
  simulator.oauth.fail({ status: 503 });
  const renewal = await logins.renew(login.id, { refusedToken: tokens.accessToken });
  expect(renewal).toEqual({ kind: 'failed', reason: expect.stringContaining('answered 503') });
  expect(simulator.oauth.received).toHaveLength(3);
  expect(await fileOf(stateDir, login.id)).toMatchObject({ refused: null, tokens: { refresh_token: tokens.refreshToken } });
});

test('a server that says nothing is given up within the time for a try', async () => {
  const { another, simulator, addOwn } = await loginStage();
  const { login, tokens } = await addOwn();
  simulator.oauth.fail('hang', { times: 1 });
  const renewal = await another({ limits: LIMITS }).renew(login.id, { refusedToken: tokens.accessToken });
  expect(renewal.kind).toBe('renewed');
  expect(simulator.oauth.received).toHaveLength(2);
});

test('all tries together end in time: none begins that would have no time for its answer', async () => {
  const { another, simulator, addOwn } = await loginStage();
  const { login, tokens } = await addOwn();
  simulator.oauth.fail('hang');
  const logins = another({ limits: { ...LIMITS, allMs: 1_500 } });
  const begin = performance.now();
  const renewal = await logins.renew(login.id, { refusedToken: tokens.accessToken });
  expect(renewal).toEqual({ kind: 'failed', reason: `${simulator.origin} did not answer within 0 s.` });
  // 0.3 s, a pause of 1 s, and 0.2 s are left, which is no time for a try.
  expect(simulator.oauth.received).toHaveLength(1);
  expect(performance.now() - begin).toBeLessThan(soon(1_500));
});

test('an answer that was lost may have used the token up: it is sent again, and then it is refused for good', async () => {
  const { logins, simulator, addOwn, stateDir } = await loginStage();
  const { login, tokens } = await addOwn();
  simulator.oauth.fail('reset_after_grant', { times: 1 });
  expect(await logins.renew(login.id, { refusedToken: tokens.accessToken })).toEqual({ kind: 'refused' });
  expect(simulator.oauth.received.map(({ result }) => result)).toEqual(['granted', 'invalid_grant']);
  expect((await loadLoginKeys(stateDir)).keys[0]?.login?.isOver).toBe(true);
});

test('a pair that appears within 100 ms of the refusal is adopted', async () => {
  const { another, simulator, addOwn, stateDir, post } = await loginStage();
  const { login, tokens } = await addOwn();
  const other = pairOf(simulator.oauth.issue('ada'));
  simulator.oauth.fail({ status: 401 });
  const path = loginPath(stateDir, login.id);
  const file = JSON.parse(await readFile(path, 'utf8'));
  const interposed: PostForm = async (...call) => {
    const answer = await post(...call);
    setTimeout(() => {
      const changed = { ...file, tokens: { ...file.tokens, access_token: other.accessToken, refresh_token: other.refreshToken } };
      void writeFile(`${path}.new`, JSON.stringify(changed)).then(() => rename(`${path}.new`, path));
    }, 30);
    return answer;
  };
  const renewal = await another({ post: interposed }).renew(login.id, { refusedToken: tokens.accessToken });
  expect(renewal.kind).toBe('current');
  expect(fingerprints(tokensIn(renewal))).toEqual(fingerprints(other));
  expect((await fileOf(stateDir, login.id)).refused).toBeNull();
});

test('a new label during a renewal keeps the new pair, and the renewal keeps the new label', async () => {
  const { logins, another, simulator, addOwn, stateDir } = await loginStage({ latencyMs: 300 });
  const { login, tokens } = await addOwn();
  const renewal = logins.renew(login.id, { refusedToken: tokens.accessToken });
  await expect.poll(() => simulator.oauth.received.length).toBe(1);
  await another().edit(login.id, { label: 'ada-2', disabled: true });
  const { refreshToken } = tokensIn(await renewal);
  expect(await fileOf(stateDir, login.id)).toMatchObject({
    label: 'ada-2',
    disabled: true,
    tokens: { refresh_token: refreshToken },
  });
});

test('a logout during a renewal waits for it, and nothing comes back afterwards', async () => {
  const { logins, another, simulator, addOwn, stateDir } = await loginStage({ latencyMs: 300 });
  const { login, tokens } = await addOwn();
  const renewal = logins.renew(login.id, { refusedToken: tokens.accessToken });
  await expect.poll(() => simulator.oauth.received.length).toBe(1);
  await another().remove(login.id);
  expect((await renewal).kind).toBe('renewed');
  expect(await readdir(join(stateDir, 'logins'))).toEqual([]);
  expect(await logins.renew(login.id)).toEqual({ kind: 'gone' });
});

/** After the first answer a folder stands in the place of the login's file, which no file can replace. */
async function blockedStage() {
  const stage = await loginStage();
  const { login, tokens } = await stage.addOwn();
  const path = loginPath(stage.stateDir, login.id);
  let isBlocked = false;
  const post: PostForm = async (...call) => {
    const answer = await stage.post(...call);
    if (!isBlocked) {
      isBlocked = true;
      await rename(path, `${path}.away`);
      await mkdir(path);
    }
    return answer;
  };
  const unblock = async () => {
    await rm(path, { recursive: true });
    await rename(`${path}.away`, path);
  };
  const logins = stage.another({ post });
  expect(await logins.renew(login.id, { refusedToken: tokens.accessToken })).toEqual({
    kind: 'failed',
    reason: expect.stringMatching(/^The new tokens could not be stored \(E\w+\);/),
  });
  const isSaved = async () => stage.simulator.oauth.isLive(String((await fileOf(stage.stateDir, login.id)).tokens.refresh_token));
  return { ...stage, logins, login, unblock, isSaved };
}

test('new tokens that could not be written are kept, and written by the next renewal without another grant', async () => {
  const { logins, simulator, login, unblock, isSaved } = await blockedStage();
  // Still in the way: they are not given up for that.
  expect((await logins.renew(login.id)).kind).toBe('failed');
  await unblock();
  expect((await logins.renew(login.id)).kind).toBe('renewed');
  expect(simulator.oauth.received).toHaveLength(1);
  expect(await isSaved()).toBe(true);
});

test('closing writes them too, if it can', async () => {
  const { logins, unblock, isSaved } = await blockedStage();
  await unblock();
  await logins.close();
  expect(await isSaved()).toBe(true);
});

test('closing waits for the answer that is on the way, and nothing is sent afterwards', async () => {
  const { logins, simulator, addOwn, stateDir } = await loginStage({ latencyMs: 300 });
  const [ada, ben] = [await addOwn('ada'), await addOwn('ben')];
  const renewal = logins.renew(ada.login.id, { refusedToken: ada.tokens.accessToken });
  await expect.poll(() => simulator.oauth.received.length).toBe(1);
  await logins.close();
  const { refreshToken } = tokensIn(await renewal);
  expect(await fileOf(stateDir, ada.login.id)).toMatchObject({ tokens: { refresh_token: refreshToken } });
  expect((await logins.renew(ben.login.id, { refusedToken: ben.tokens.accessToken })).kind).toBe('failed');
  expect(simulator.oauth.received).toHaveLength(1);
});

test('closing ends the pause between two tries', async () => {
  const { logins, simulator, addOwn } = await loginStage();
  const { login, tokens } = await addOwn();
  simulator.oauth.fail({ status: 503 });
  const renewal = logins.renew(login.id, { refusedToken: tokens.accessToken });
  await expect.poll(() => simulator.oauth.received.length).toBe(1);
  await logins.close();
  expect((await renewal).kind).toBe('failed');
  expect(simulator.oauth.received).toHaveLength(1);
});
