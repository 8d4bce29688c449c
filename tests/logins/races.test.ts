import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { fingerprintOf } from '../../src/logins/login.ts';
import { loadLoginKeys, readLogins } from '../../src/logins/login-keys.ts';
import { readLogin } from '../../src/logins/login-store.ts';
import { type RenewChild, renewChildren } from './children.ts';
import { KimiCodePeer } from './kimi-code-peer.ts';
import { type Added, loginStage, pairOf, type Stage, writeSlot } from './stage.ts';

const ROUNDS = 25;
const KILLS = 25;
const KILLS_AT_SLOT = 5;
const WARM = 4;

let start: (stateDir: string, id: string) => Promise<RenewChild>;
beforeAll(async () => {
  start = await renewChildren();
});

const tokensOf = async ({ stateDir }: Stage) => {
  const [reading] = await readLogins(stateDir);
  if (reading?.tokens == null) throw new Error(`no tokens: ${reading?.problem}`);
  return reading.tokens;
};

test.each([
  ['an own login', (stage: Stage): Promise<Added> => stage.addOwn()],
  ['a slot of Kimi Code', (stage: Stage): Promise<Added> => stage.addSlot()],
])('two processes that renew %s at the same time: one grant, and both get its pair', async (_, add) => {
  const stage = await loginStage();
  const { simulator, stateDir } = stage;
  const { login } = await add(stage);
  const children = await Promise.all([start(stateDir, login.id), start(stateDir, login.id)]);
  const kinds: string[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const refused = fingerprintOf((await tokensOf(stage)).accessToken);
    const answers = await Promise.all(children.map((child) => child.ask(`renew ${refused}`)));
    const fresh = fingerprintOf((await tokensOf(stage)).accessToken);
    expect(answers.map((answer) => answer.split(' ')[1])).toEqual([fresh, fresh]);
    expect(fresh).not.toBe(refused);
    expect(simulator.oauth.renewals()).toBe(round);
    kinds.push(...answers.map((answer) => answer.split(' ')[0] as string));
  }
  expect(kinds.filter((kind) => kind === 'renewed')).toHaveLength(ROUNDS);
  expect(simulator.oauth.reused).toBe(0);
  expect(simulator.oauth.refused).toBe(0);
});

test('kmi and Kimi Code renew one slot at the same time: one grant a round, and nobody is logged out', async () => {
  const stage = await loginStage();
  const { simulator, stateDir } = stage;
  const { login, file } = await stage.addSlot();
  const peer = new KimiCodePeer(file, simulator.origin);
  const child = await start(stateDir, login.id);
  const byKimiCode: string[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const { accessToken } = await tokensOf(stage);
    const first = round % 2 === 0;
    const theirs = first ? peer.refresh(accessToken) : delay(2).then(() => peer.refresh(accessToken));
    const [answer, outcome] = await Promise.all([child.ask(`renew ${fingerprintOf(accessToken)}`), theirs]);
    expect(answer.split(' ')[1]).toBe(fingerprintOf((await tokensOf(stage)).accessToken));
    expect(simulator.oauth.renewals()).toBe(round);
    byKimiCode.push(outcome);
  }
  expect(byKimiCode).not.toContain('tombstone');
  expect(byKimiCode).toContain('refreshed');
  expect(byKimiCode).toContain('adopted');
  expect(simulator.oauth.reused).toBe(0);
  expect(peer.compromised).toBe(0);
});

/**
 * Kills a process that renews over and over. Afterwards the file is whole, and the next one either renews or, where the kill fell between
 * the server's grant and the disk, says that a person must log in. Gives back how often that was.
 */
async function killOften(stage: Stage, { login }: Added, kills: number, logInAgain: () => Promise<unknown>): Promise<number> {
  const { stateDir, simulator, another } = stage;
  let lost = 0;
  for (let kill = 0; kill < kills; kill += 1) {
    const child = await start(stateDir, login.id);
    const before = simulator.oauth.renewals();
    child.tell('loop');
    // The first renewals of a process are slow, and most of that is before the answer.
    await expect.poll(() => simulator.oauth.renewals(), { interval: 1 }).toBeGreaterThanOrEqual(before + WARM);
    await delay(Math.random() * 30);
    await child.kill();
    // What it had sent has been decided once its connections are gone.
    await expect.poll(() => simulator.connections).toBe(0);

    const file = await readLogin(stateDir, login.id);
    if (file === 'missing' || 'broken' in file) throw new Error(`kill ${kill}: the file is ${JSON.stringify(file)}`);
    const tokens = await tokensOf(stage);
    const isLive = simulator.oauth.isLive(tokens.refreshToken);
    const lastGrant = simulator.oauth.grants.at(-1);
    const renewal = await another().renew(login.id, { refusedToken: tokens.accessToken });
    expect(renewal.kind).toBe(isLive ? 'renewed' : 'refused');
    if (isLive) continue;
    lost += 1;
    // Nothing but the answer that was on its way: the file holds the pair that it was for.
    expect(lastGrant?.refreshToken).toBe(tokens.refreshToken);
    expect((await loadLoginKeys(stateDir)).keys[0]?.login?.isOver).toBe(true);
    await logInAgain();
  }
  return lost;
}

test('a kill at any instant leaves a whole file, and the next start works or says that a login is over', async () => {
  const stage = await loginStage();
  const added = await stage.addOwn();
  const lost = await killOften(stage, added, KILLS, () => stage.addOwn());
  expect(lost).toBeLessThan(KILLS);
  // Nor do temporary files of the killed stay, which hold tokens.
  await stage.logins.renew(added.login.id, { refusedToken: (await tokensOf(stage)).accessToken });
  expect(await readdir(join(stage.stateDir, 'logins'))).toEqual([`${added.login.id}.json`]);
});

test('a kill at any instant leaves the slot whole, and the lock to whoever comes next', async () => {
  const stage = await loginStage();
  const added = await stage.addSlot();
  const logInAgain = () => writeSlot(added.file, pairOf(stage.simulator.oauth.issue('ada')));
  await killOften(stage, added, KILLS_AT_SLOT, logInAgain);
  await stage.logins.renew(added.login.id, { refusedToken: (await tokensOf(stage)).accessToken });
  expect(await readdir(join(stage.codeHome, 'credentials'))).toEqual(['kimi-code.json']);
});
