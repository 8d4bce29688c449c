import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadLoginKeys, readLogins } from '../../src/logins/login-keys.ts';
import { fileOf, loginStage, pairOf } from './stage.ts';

test('the same account a second time replaces the login, under the newer label and the id it had', async () => {
  const { stateDir, simulator, logins, addOwn } = await loginStage();
  const { login } = await addOwn('ada');
  await addOwn('ben');
  simulator.oauth.revoke('ada');
  const { tokens: dead } = await addOwn('ada');
  simulator.oauth.revoke('ada');
  expect(await logins.renew(login.id, { refusedToken: dead.accessToken })).toEqual({ kind: 'refused' });
  expect((await fileOf(stateDir, login.id)).refused).not.toBeNull();

  const again = await addOwn('ada', { label: 'ada-at-home' });
  expect(again.login.id).toBe(login.id);
  const readings = await readLogins(stateDir);
  expect(readings.map(({ login: { label } }) => label).sort()).toEqual(['ada-at-home', 'ben']);
  expect(await fileOf(stateDir, login.id)).toMatchObject({ refused: null, tokens: { refresh_token: again.tokens.refreshToken } });
});

test('an account that is not known replaces nothing', async () => {
  const { stateDir, addOwn } = await loginStage();
  await addOwn('ada', { account: null });
  await addOwn('ada', { account: null });
  expect(await readLogins(stateDir)).toHaveLength(2);
});

test('the same slot of Kimi Code a second time is one login', async () => {
  const { stateDir, addSlot } = await loginStage();
  const { login } = await addSlot();
  const again = await addSlot();
  expect(again.login.id).toBe(login.id);
  expect(await readLogins(stateDir)).toHaveLength(1);
});

test('an own login takes the place of the slot of the same account, and holds its own tokens then', async () => {
  const { stateDir, logins, addOwn, addSlot } = await loginStage();
  const slot = await addSlot();
  await logins.add({ ...slot.login, account: 'account-ada' }, null);
  const own = await addOwn('ada');
  expect(own.login).toMatchObject({ id: slot.login.id, kind: 'own', file: null });
  expect((await loadLoginKeys(stateDir)).keys.map(({ value }) => value)).toEqual([own.tokens.accessToken]);
});

test('logins that come at the same time are all kept, and the same one once', async () => {
  const { stateDir, addOwn, another, simulator } = await loginStage();
  const { login } = await addOwn('ada');
  const tokens = pairOf(simulator.oauth.issue('ada'));
  const others = Array.from({ length: 5 }, (_, n) => another().add({ ...login, label: `x${n}`, account: `x${n}` }, tokens));
  const same = Array.from({ length: 5 }, () => another().add({ ...login, label: 'ada' }, tokens));
  await Promise.all([...others, ...same]);
  expect((await readLogins(stateDir)).map(({ login: { label } }) => label).sort()).toEqual(['ada', 'x0', 'x1', 'x2', 'x3', 'x4']);
});

test('an edit changes what it names and nothing else', async () => {
  const { stateDir, logins, addOwn } = await loginStage();
  const { login } = await addOwn();
  const before = await fileOf(stateDir, login.id);
  await logins.edit(login.id, { label: 'ada-2', disabled: true });
  await logins.edit(login.id, { weight: 5, priority: -1 });
  expect(await fileOf(stateDir, login.id)).toEqual({ ...before, label: 'ada-2', disabled: true, weight: 5, priority: -1 });
});

test('a login that is gone cannot be edited, and removing it twice is no error', async () => {
  const { stateDir, logins, addOwn } = await loginStage();
  const { login } = await addOwn();
  await logins.remove(login.id);
  await logins.remove(login.id);
  await expect(logins.edit(login.id, { label: 'b' })).rejects.toMatchObject({ code: 'unknown_key' });
  expect(await logins.renew(login.id)).toEqual({ kind: 'gone' });
  expect(await readdir(join(stateDir, 'logins'))).toEqual([]);
});
