import { mkdirSync, rmdirSync, statSync, utimesSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, rmdir, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { loadLoginKeys } from '../../src/logins/login-keys.ts';
import { loginPath } from '../../src/logins/login-store.ts';
import type { PostForm, Renewal } from '../../src/logins/logins.ts';
import { slotPaths } from '../../src/logins/slot-lock.ts';
import { renderCredential } from '../../src/logins/token-pair.ts';
import { KimiCodePeer } from './kimi-code-peer.ts';
import { fileOf, fingerprints, loginStage, pairOf, TOMBSTONE, writeSlot } from './stage.ts';

afterEach(() => vi.unstubAllEnvs());

async function slotStage(oauth: Parameters<typeof loginStage>[0] = {}) {
  const stage = await loginStage(oauth);
  const added = await stage.addSlot();
  const peer = new KimiCodePeer(added.file, stage.simulator.origin);
  const forced = { refusedToken: added.tokens.accessToken };
  /** Does something between the server's answer and what kmi makes of it. */
  const afterAnswer = (act: () => Promise<unknown>): PostForm => {
    return async (...call) => {
      const answer = await stage.post(...call);
      await act();
      return answer;
    };
  };
  return { ...stage, ...added, id: added.login.id, peer, forced, afterAnswer };
}

function tokensIn(renewal: Renewal) {
  if (renewal.kind !== 'renewed' && renewal.kind !== 'current') throw new Error(`no tokens: ${JSON.stringify(renewal)}`);
  return renewal.tokens;
}

/** Another holder has the lock now: it took it for stale, or as after a sleep. */
function stealLock(lock: string): number {
  rmdirSync(lock);
  mkdirSync(lock);
  const stolenAt = Math.floor(Date.now() / 1000) - 1;
  utimesSync(lock, stolenAt, stolenAt);
  return stolenAt * 1000;
}

/** A slot of ada that kmi has no file of. */
async function unstoredStage() {
  const stage = await loginStage();
  const { login, tokens, file } = await stage.addSlot();
  await stage.logins.remove(login.id);
  await writeSlot(file, { ...tokens, expiresAt: 1 });
  const { region, oauthHost, baseUrl } = login;
  const isSaved = async () => stage.simulator.oauth.isLive(JSON.parse(await readFile(file, 'utf8')).refresh_token);
  return { ...stage, login, file, found: { kind: 'kimi-code', region, oauthHost, baseUrl, file } as const, isSaved };
}

test('a slot that is to be added is renewed in place, and nothing of it is stored', async () => {
  const { logins, found, stateDir, isSaved } = await unstoredStage();
  expect((await logins.renewBeforeAdding(found)).kind).toBe('renewed');
  expect(await isSaved()).toBe(true);
  expect(await readdir(join(stateDir, 'logins'))).toEqual([]);
});

test('one that is refused then is refused, and nothing of it is stored either', async () => {
  const { logins, found, stateDir, simulator } = await unstoredStage();
  simulator.oauth.revoke('ada');
  expect(await logins.renewBeforeAdding(found)).toEqual({ kind: 'refused' });
  expect(await readdir(join(stateDir, 'logins'))).toEqual([]);
});

test('one that was stored with another host is renewed at the host it has now', async () => {
  const { logins, found, login, isSaved } = await unstoredStage();
  const { id } = await logins.add({ ...login, oauthHost: 'http://127.0.0.1:9' }, null);
  expect((await logins.renewBeforeAdding(found)).kind).toBe('renewed');
  expect(await isSaved()).toBe(true);
  expect((await logins.add(login, null)).id).toBe(id);
});

test.each([[true], [false]])(
  'its new tokens that could not be written are written later, added meanwhile: %s',
  async (isAdded) => {
    const { another, post, found, login, file, simulator, isSaved } = await unstoredStage();
    const logins = another({
      post: async (...call) => {
        const answer = await post(...call);
        await rename(file, `${file}.away`);
        await mkdir(file);
        return answer;
      },
    });
    expect(await logins.renewBeforeAdding(found)).toMatchObject({ kind: 'failed' });
    await rmdir(file);
    await rename(`${file}.away`, file);
    if (isAdded) {
      const { id } = await logins.add(login, null);
      expect((await logins.renew(id)).kind).toBe('renewed');
    }
    await logins.close();
    expect(await isSaved()).toBe(true);
    expect(simulator.oauth.received).toHaveLength(1);
  },
);

test('a slot is renewed in place, in the form of Kimi Code, and nothing of it is copied', async () => {
  const { logins, id, forced, file, codeHome, stateDir, peer } = await slotStage();
  const renewed = await logins.renew(id, forced);
  expect(renewed.kind).toBe('renewed');
  expect(await readFile(file, 'utf8')).toBe(renderCredential(tokensIn(renewed)));
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readdir(join(codeHome, 'credentials'))).toEqual(['kimi-code.json']);
  // The empty file beside the lock stays, the lock itself does not.
  expect(await readdir(join(codeHome, 'oauth'))).toEqual(['kimi-code']);
  const { lock, sentinel } = slotPaths(file);
  expect(lock).toBe(peer.lockFolder);
  expect((await stat(sentinel)).size).toBe(0);
  const own = await readFile(loginPath(stateDir, id), 'utf8');
  for (const secret of [tokensIn(renewed).accessToken, tokensIn(renewed).refreshToken]) expect(own).not.toContain(secret);
});

test('a slot that is not due is only read', async () => {
  const { logins, id, codeHome, tokens } = await slotStage();
  expect(await logins.renew(id)).toEqual({ kind: 'current', tokens });
  expect(await readdir(codeHome)).toEqual(['credentials']);
});

test('while Kimi Code refreshes, kmi waits, and takes what Kimi Code got', async () => {
  const { logins, id, forced, peer, simulator, tokens } = await slotStage({ latencyMs: 800 });
  const refresh = peer.refresh(tokens.accessToken);
  await expect.poll(() => simulator.oauth.received.length).toBe(1);
  const renewal = await logins.renew(id, forced);
  expect(await refresh).toBe('refreshed');
  expect(renewal.kind).toBe('current');
  expect(tokensIn(renewal).refreshToken).toBe((await peer.read()).refresh_token);
  expect(simulator.oauth.renewals()).toBe(1);
});

test('while kmi renews, Kimi Code waits, and takes what kmi got', async () => {
  const { logins, id, forced, peer, simulator, tokens } = await slotStage({ latencyMs: 800 });
  const renewal = logins.renew(id, forced);
  await expect.poll(() => simulator.oauth.received.length).toBe(1);
  expect(await peer.refresh(tokens.accessToken)).toBe('adopted');
  expect((await renewal).kind).toBe('renewed');
  expect(simulator.oauth.renewals()).toBe(1);
});

test('a lock that nobody has kept alive for 5 s is taken over, a younger one is waited for', async () => {
  const { another, id, forced, peer, simulator } = await slotStage();
  await mkdir(peer.lockFolder, { recursive: true });
  const age = async (seconds: number) => {
    const at = Date.now() / 1000 - seconds;
    await utimes(peer.lockFolder, at, at);
  };
  const logins = another({ limits: { lockMs: 1_200, tryMs: 5_000, allMs: 5_000 } });
  await age(2);
  const blocked = await logins.renew(id, forced);
  expect(blocked).toEqual({ kind: 'failed', reason: `Another program holds the lock ${peer.lockFolder}.` });
  expect(simulator.oauth.received).toEqual([]);
  await age(5.2);
  expect((await logins.renew(id, forced)).kind).toBe('renewed');
  await expect(stat(peer.lockFolder)).rejects.toThrow();
});

test('a lock folder that is not empty is nobody of the protocol: nothing is sent, and it says which', async () => {
  const { logins, id, forced, peer, simulator } = await slotStage();
  await mkdir(peer.lockFolder, { recursive: true });
  await writeFile(join(peer.lockFolder, 'note'), '');
  await utimes(peer.lockFolder, 1, 1);
  const renewal = await logins.renew(id, forced);
  expect(renewal).toEqual({
    kind: 'failed',
    reason: expect.stringContaining(`The lock ${peer.lockFolder} cannot be taken (ENOTEMPTY`),
  });
  expect(simulator.oauth.received).toEqual([]);
});

test('the lock stays alive while the event loop is busy for longer than the 5 s after which it may be taken', async () => {
  const { another, id, forced, peer } = await slotStage();
  let arrived = () => {};
  let answer = () => {};
  const hasArrived = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const hasAnswer = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const logins = another({
    post: async () => {
      arrived();
      await hasAnswer;
      return { status: 503, headers: {}, body: '' };
    },
  });
  const renewal = logins.renew(id, forced);
  await hasArrived;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 6_500);
  const ageMs = Date.now() - statSync(peer.lockFolder).mtimeMs;
  expect(ageMs).toBeLessThan(5_000);
  answer();
  await logins.close();
  expect((await renewal).kind).toBe('failed');
  await expect(stat(peer.lockFolder)).rejects.toThrow();
});

test('the lock lost before anything is sent: nothing is sent, and the lock of the other is not touched', async () => {
  const { another, id, forced, peer, simulator, file, tokens } = await slotStage();
  let stolenAt = 0;
  const logins = another({
    // The tokens are read again under the lock.
    onSecret: () => {
      if (stolenAt === 0 && statSync(peer.lockFolder, { throwIfNoEntry: false })) stolenAt = stealLock(peer.lockFolder);
    },
  });
  const renewal = await logins.renew(id, forced);
  expect(renewal).toEqual({ kind: 'failed', reason: 'The lock of the login was lost, so its refresh token was not sent.' });
  expect(simulator.oauth.received).toEqual([]);
  expect(await readFile(file, 'utf8')).toBe(renderCredential(tokens));
  // Longer than a heartbeat: none comes any more.
  await delay(2_500);
  expect((await stat(peer.lockFolder)).mtimeMs).toBe(stolenAt);
});

type SlotStage = Awaited<ReturnType<typeof slotStage>>;

/** Kimi Code's own pair, from a login that was made meanwhile. */
async function writeTheirs({ peer, simulator }: SlotStage): Promise<string> {
  const answer = simulator.oauth.issue('ada');
  await peer.write({ ...answer, expires_at: Math.floor(Date.now() / 1000) + 900 });
  return answer.refresh_token;
}

test.each<[string, (stage: SlotStage) => Promise<unknown>, Renewal['kind']]>([
  ['the pair that was sent is still there: the new one is written', async () => undefined, 'renewed'],
  ['another pair is there: it is adopted', writeTheirs, 'current'],
  ['who took it was refused and left a tombstone: the new pair undoes that', ({ file }) => writeSlot(file, TOMBSTONE), 'renewed'],
])('the lock lost while the answer is on the way, and %s', async (_, meanwhile, kind) => {
  const stage = await slotStage();
  const { another, id, forced, peer, simulator, afterAnswer } = stage;
  let stolenAt = 0;
  let theirs: unknown;
  const post = afterAnswer(async () => {
    stolenAt = stealLock(peer.lockFolder);
    theirs = await meanwhile(stage);
  });
  const renewal = await another({ post }).renew(id, forced);
  expect(renewal.kind).toBe(kind);
  const { refresh_token } = await peer.read();
  expect(refresh_token).toBe(tokensIn(renewal).refreshToken);
  expect(refresh_token === theirs).toBe(kind === 'current');
  expect(simulator.oauth.renewals()).toBe(1);
  // The lock of the other is as it was.
  expect((await stat(peer.lockFolder)).mtimeMs).toBe(stolenAt);
});

test('refused while another has the lock: that one may be about to store the new pair, so nothing is remembered', async () => {
  const { another, id, forced, peer, simulator, stateDir, afterAnswer } = await slotStage();
  simulator.oauth.revoke('ada');
  const post = afterAnswer(async () => stealLock(peer.lockFolder));
  expect((await another({ post }).renew(id, forced)).kind).toBe('failed');
  expect((await fileOf(stateDir, id)).refused).toBeNull();
});

test('refused for good: remembered in the file of kmi, and that of Kimi Code is as it was', async () => {
  const { logins, id, forced, file, tokens, stateDir, simulator } = await slotStage();
  simulator.oauth.revoke('ada');
  const before = await stat(file, { bigint: true });
  expect(await logins.renew(id, forced)).toEqual({ kind: 'refused' });
  const after = await stat(file, { bigint: true });
  expect([after.ino, after.mtimeNs]).toEqual([before.ino, before.mtimeNs]);
  expect(await readFile(file, 'utf8')).toBe(renderCredential(tokens));
  expect((await loadLoginKeys(stateDir)).keys[0]?.login?.isOver).toBe(true);
  expect(await logins.renew(id, forced)).toEqual({ kind: 'refused' });
  expect(simulator.oauth.received).toHaveLength(1);
  // Kimi Code logs in again, and nobody has to tell kmi.
  const fresh = pairOf(simulator.oauth.issue('ada'));
  await writeSlot(file, fresh);
  expect(await logins.renew(id)).toEqual({ kind: 'current', tokens: fresh });
  expect((await loadLoginKeys(stateDir)).keys[0]?.login?.isOver).toBe(false);
});

test('refused, and another pair appears within 100 ms: it is adopted', async () => {
  const { another, id, forced, file, simulator, stateDir, afterAnswer } = await slotStage();
  const other = pairOf(simulator.oauth.issue('ada'));
  simulator.oauth.fail({ status: 403 });
  const post = afterAnswer(async () => setTimeout(() => void writeSlot(file, other), 30));
  const renewal = await another({ post }).renew(id, forced);
  expect(renewal.kind).toBe('current');
  expect(fingerprints(tokensIn(renewal))).toEqual(fingerprints(other));
  expect((await fileOf(stateDir, id)).refused).toBeNull();
});

test.each([
  ['a tombstone', (file: string) => writeSlot(file, TOMBSTONE), 'refused'],
  ['no file', (file: string) => rm(file), 'gone'],
  ['a file that is no JSON', (file: string) => writeFile(file, '{"access'), 'gone'],
])('at %s nothing is sent, nothing is written, and no lock is taken', async (_, make, kind) => {
  const { logins, id, forced, file, codeHome, simulator } = await slotStage();
  await make(file);
  const before = await readFile(file, 'utf8').catch(() => null);
  expect((await logins.renew(id, forced)).kind).toBe(kind);
  expect(await readFile(file, 'utf8').catch(() => null)).toBe(before);
  expect(await readdir(codeHome)).toEqual(['credentials']);
  expect(simulator.oauth.received).toEqual([]);
});

test.each([
  ['before the lock is had', false],
  ['while the answer is on the way', true],
])('Kimi Code logs out %s: kmi stops, and the file does not come back', async (_, isSent) => {
  const { another, id, forced, file, peer, simulator, afterAnswer, codeHome } = await slotStage();
  const logins = another(isSent ? { post: afterAnswer(() => rm(file)) } : {});
  const release = isSent ? null : await peer.lock();
  const renewal = logins.renew(id, forced);
  if (release !== null) {
    await delay(200);
    await rm(file);
    await release();
  }
  expect(await renewal).toEqual({ kind: 'gone' });
  expect(await readdir(join(codeHome, 'credentials'))).toEqual([]);
  expect(simulator.oauth.received).toHaveLength(isSent ? 1 : 0);
});

test('kmi forgets the login while the answer is on the way: Kimi Code gets its new pair all the same', async () => {
  const { another, id, forced, peer, simulator, stateDir, afterAnswer } = await slotStage();
  const logins = another({ post: afterAnswer(() => another().remove(id)) });
  expect((await logins.renew(id, forced)).kind).toBe('renewed');
  expect(simulator.oauth.isLive((await peer.read()).refresh_token)).toBe(true);
  expect(await readdir(join(stateDir, 'logins'))).toEqual([]);
});

test('with KIMI_DISABLE_OAUTH_LOCK=1 Kimi Code takes no lock, and kmi only its own', async () => {
  vi.stubEnv('KIMI_DISABLE_OAUTH_LOCK', '1');
  const { logins, another, id, forced, codeHome, simulator } = await slotStage({ latencyMs: 200 });
  const renewals = await Promise.all([logins.renew(id, forced), another().renew(id, forced)]);
  expect(renewals.map(({ kind }) => kind).sort()).toEqual(['current', 'renewed']);
  expect(simulator.oauth.renewals()).toBe(1);
  expect(await readdir(codeHome)).toEqual(['credentials']);
});

test('tokens that could not be stored are not asked for', async () => {
  // The name of the file is allowed, that of a temporary one beside it is too long.
  const { logins, simulator, addSlot } = await loginStage();
  const { login, tokens } = await addSlot('ada', 'x'.repeat(240));
  const renewal = await logins.renew(login.id, { refusedToken: tokens.accessToken });
  expect(renewal.kind).toBe('failed');
  expect(simulator.oauth.received).toEqual([]);
});

test('a slot is renewed at its own host, unless tests say otherwise', async () => {
  const { another, id, forced, simulator } = await slotStage();
  const elsewhere = await loginStage();
  const options = { oauthHost: elsewhere.simulator.origin };
  const renewed = await another(options).renew(id, forced);
  expect(renewed.kind).toBe('renewed');
  expect(elsewhere.simulator.oauth.received).toEqual([]);
  const again = { refusedToken: tokensIn(renewed).accessToken };
  await another({ ...options, overridesSlots: true }).renew(id, again);
  expect(simulator.oauth.received).toHaveLength(1);
  expect(elsewhere.simulator.oauth.received).toHaveLength(1);
});

test("kimi-cli's login is used while it is valid, never renewed, and over afterwards", async () => {
  const { logins, another, id, file, tokens, stateDir, simulator, login } = await slotStage();
  await logins.add({ ...login, kind: 'kimi-cli' }, null);
  expect(await logins.renew(id)).toEqual({ kind: 'current', tokens });
  const refused = await logins.renew(id, { refusedToken: tokens.accessToken });
  expect(refused).toEqual({ kind: 'failed', reason: 'kmi does not renew a login of kimi-cli.' });
  const later = another({ clock: () => Date.now() + 901_000 });
  expect(await later.renew(id)).toEqual({ kind: 'refused' });
  expect(simulator.oauth.received).toEqual([]);
  expect(await readFile(file, 'utf8')).toBe(renderCredential(tokens));
  expect((await loadLoginKeys(stateDir)).keys[0]?.login).toMatchObject({ kind: 'kimi-cli', isOver: false });
});

test('a lock of kmi that was left behind by a kill is taken over by the next one', async () => {
  const { logins, id, forced, peer } = await slotStage();
  await mkdir(peer.lockFolder, { recursive: true });
  await rmdir(peer.lockFolder);
  mkdirSync(peer.lockFolder);
  const begin = performance.now();
  expect((await logins.renew(id, forced)).kind).toBe('renewed');
  expect(performance.now() - begin).toBeGreaterThan(4_000);
});
