import { chmod, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fingerprintOf, hashLogin } from '../../src/logins/login.ts';
import { loadLoginKeys, readLogins, signLogins } from '../../src/logins/login-keys.ts';
import { loginPath, readLogin, writeLogin } from '../../src/logins/login-store.ts';
import { loginStage, pairOf, TOMBSTONE, temporaryFolder, writeSlot } from './stage.ts';

test('an own login is a key whose value is the access token, under a name that outlives renewals', async () => {
  const { stateDir, addOwn, simulator } = await loginStage();
  const { login, tokens } = await addOwn('ada', { email: 'ada@example.com', weight: 300, priority: 2 });
  const { keys, skipped } = await loadLoginKeys(stateDir);
  expect(skipped).toEqual([]);
  expect(keys).toEqual([
    {
      label: 'ada',
      value: tokens.accessToken,
      hash: hashLogin(login.id),
      baseUrl: simulator.baseUrl,
      priority: 2,
      weight: 300,
      disabled: false,
      email: 'ada@example.com',
      source: loginPath(stateDir, login.id),
      login: { id: login.id, kind: 'own', expiresAt: Number(tokens.expiresAt) * 1000, lifeMs: 900_000, isOver: false },
    },
  ]);
  expect(login.id).toMatch(/^[0-9a-f]{8}$/);
  expect(keys[0]?.hash).toMatch(/^[0-9a-f]{12}$/);
});

test('without the folder there are no logins and nothing is skipped', async () => {
  const stateDir = await temporaryFolder();
  expect(await loadLoginKeys(stateDir)).toEqual({ keys: [], skipped: [] });
  expect(await readLogins(stateDir)).toEqual([]);
  expect(await signLogins(stateDir)).toBe(await signLogins(stateDir));
});

test('a file of a login and its folder are for this user alone', async () => {
  const { stateDir, addOwn } = await loginStage();
  const { login } = await addOwn();
  expect((await stat(loginPath(stateDir, login.id))).mode & 0o777).toBe(0o600);
  expect((await stat(join(stateDir, 'logins'))).mode & 0o777).toBe(0o700);
});

test('every token that is read is told, those of a slot too', async () => {
  const { stateDir, addOwn, addSlot } = await loginStage();
  const [own, slot] = [await addOwn('ada'), await addSlot('ben')];
  const told: string[] = [];
  await loadLoginKeys(stateDir, (secret) => told.push(secret));
  const tokens = [own.tokens, slot.tokens].flatMap(({ accessToken, refreshToken }) => [accessToken, refreshToken]);
  expect(told.sort()).toEqual(tokens.sort());
});

test('a login that is over stays a key without a value, and says why', async () => {
  const { stateDir, addSlot } = await loginStage();
  const { file, tokens } = await addSlot();
  const look = async () => {
    const [[key], [reading]] = [(await loadLoginKeys(stateDir)).keys, await readLogins(stateDir)];
    return { value: key?.value, isOver: key?.login?.isOver, problem: reading?.problem };
  };
  expect(await look()).toEqual({ value: tokens.accessToken, isOver: false, problem: null });
  await writeSlot(file, TOMBSTONE);
  expect(await look()).toMatchObject({ value: '', isOver: true, problem: expect.stringContaining('was refused') });
  await writeFile(file, '{');
  expect(await look()).toMatchObject({ value: '', isOver: true, problem: expect.stringContaining('no JSON') });
  await rm(file);
  expect(await look()).toMatchObject({ value: '', isOver: true, problem: expect.stringContaining('has logged out') });
  await writeSlot(file, tokens);
  expect(await look()).toMatchObject({ isOver: false, problem: null });
});

test('a refresh token that was refused ends its login, until another one is there', async () => {
  const { stateDir, simulator, addSlot } = await loginStage();
  const { login, tokens, file } = await addSlot();
  await writeLogin(stateDir, { login: { ...login, refused: fingerprintOf(tokens.refreshToken) }, tokens: null });
  const isOver = async () => (await loadLoginKeys(stateDir)).keys[0]?.login?.isOver;
  expect(await isOver()).toBe(true);
  await writeSlot(file, pairOf(simulator.oauth.issue('ada')));
  expect(await isOver()).toBe(false);
});

test('a file that is broken or no file gives no key, and is named with what to do', async () => {
  const { stateDir, addOwn } = await loginStage();
  await addOwn();
  const broken = loginPath(stateDir, 'aaaaaaaa');
  const folder = loginPath(stateDir, 'bbbbbbbb');
  await writeFile(broken, '{"version": 1');
  await mkdir(folder);
  await writeFile(join(stateDir, 'logins', 'notes.json'), '{}');
  const { keys, skipped } = await loadLoginKeys(stateDir);
  expect(keys.map(({ label }) => label)).toEqual(['ada']);
  expect(skipped.toSorted((a, b) => (a.file < b.file ? -1 : 1))).toEqual([
    { file: broken, reason: 'malformed', detail: expect.stringContaining('kmi login') },
    { file: folder, reason: 'unreadable', detail: 'It is not a regular file.' },
  ]);
  expect(await readLogins(stateDir)).toHaveLength(1);
});

test('a credential file that cannot be read skips its login, which does not count as over', async () => {
  const { stateDir, addSlot } = await loginStage();
  const { file } = await addSlot();
  await rm(file);
  await mkdir(file);
  const { keys, skipped } = await loadLoginKeys(stateDir);
  expect(keys).toEqual([]);
  expect(skipped).toEqual([{ file, reason: 'unreadable', detail: 'It is not a regular file.' }]);
});

test('the signature changes with a login, with its credential file, and with nothing else', async () => {
  const { stateDir, simulator, logins, addOwn, addSlot } = await loginStage();
  const seen = new Set<string>();
  const isNew = async () => {
    const [first, second] = [await signLogins(stateDir), await signLogins(stateDir)];
    expect(second).toBe(first);
    return seen.size < seen.add(first).size;
  };
  expect(await isNew()).toBe(true);
  const own = await addOwn('ada');
  expect(await isNew()).toBe(true);
  const slot = await addSlot('ben');
  expect(await isNew()).toBe(true);
  expect(await isNew()).toBe(false);
  await writeSlot(slot.file, pairOf(simulator.oauth.issue('ben')));
  expect(await isNew()).toBe(true);
  await chmod(slot.file, 0o644);
  expect(await isNew()).toBe(true);
  await rm(slot.file);
  expect(await isNew()).toBe(true);
  await logins.edit(own.login.id, { weight: 7 });
  expect(await isNew()).toBe(true);
  await writeFile(join(stateDir, 'logins', 'notes.txt'), 'not a login');
  expect(await isNew()).toBe(false);
  await logins.remove(own.login.id);
  expect(await isNew()).toBe(true);
});

test('a login can be read back as it was stored', async () => {
  const { stateDir, addOwn } = await loginStage();
  const { login, tokens } = await addOwn();
  expect(await readLogin(stateDir, login.id)).toEqual({ login, tokens });
  expect(await readLogin(stateDir, 'ffffffff')).toBe('missing');
});
