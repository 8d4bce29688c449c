import { readFile } from 'node:fs/promises';
import { beforeAll, beforeEach, expect, it } from 'vitest';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { cleanUp } from '../support/cleanup.ts';
import { temporaryHome } from '../support/home.ts';
import { type InstalledClients, installClients } from './installed-clients.ts';
import { kimiAt, type LoggingInKimi } from './kimi-login.ts';

// The simulated authorisation server against the official client: what holds here may be relied on in the other tests.

let clients: InstalledClients;
let simulator: Simulator;
let kimi: LoggingInKimi;

beforeAll(async () => {
  clients = await installClients();
});

beforeEach(async () => {
  simulator = await startSimulator({ accounts: [{ name: 'ada', keys: [] }], oauth: { intervalS: 1 }, enforceUserAgent: true });
  cleanUp(() => simulator.close());
  kimi = await kimiAt(clients, simulator, (await temporaryHome()).root);
});

async function logIn(): Promise<void> {
  const { userCode, ...printed } = await kimi.logIn('ada');
  expect(printed).toMatchObject({ code: 0, stderr: expect.stringContaining(userCode) });
}

async function readCredential(): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(await kimi.credentialFile(), 'utf8'));
}

const greeting = { code: 0, stdout: expect.stringMatching(/Hello from account ada, request \d+\./) };
const prompt = ['-p', 'say hello'];
const chats = () => simulator.received.filter(({ method }) => method === 'POST');

it('Kimi Code logs in, and its access token serves in all three protocols without a renewal', async () => {
  await logIn();
  for (const protocol of [null, 'anthropic', 'response'] as const) {
    simulator.account('ada').behave({ modelProtocol: protocol });
    // With a login it asks for no code: it reads the models again.
    expect(await kimi.run(['login'])).toMatchObject({ code: 0 });
    expect(await kimi.run(prompt)).toMatchObject(greeting);
  }
  expect(chats().map(({ path, status }) => [path, status])).toEqual([
    ['/coding/v1/chat/completions', 200],
    ['/coding/v1/messages', 200],
    ['/coding/v1/responses', 200],
  ]);
  expect(simulator.oauth.grants).toMatchObject([{ kind: 'device', account: 'ada', userAgent: 'kimi-code-cli/2.1.0' }]);
});

it('Kimi Code renews a refused access token once and goes on', async () => {
  await logIn();
  const before = await readCredential();
  simulator.oauth.endAccess('ada');
  expect(await kimi.run(prompt)).toMatchObject(greeting);
  expect(chats().map(({ status }) => status)).toEqual([401, 200]);
  expect(simulator.oauth.grants).toMatchObject([{ kind: 'device' }, { kind: 'refresh', refreshToken: before.refresh_token }]);
  const after = await readCredential();
  expect(simulator.oauth.isLive(String(after.refresh_token))).toBe(true);
  expect(simulator.oauth.accountOf(String(after.access_token))?.name).toBe('ada');
});

it('Kimi Code leaves a tombstone when its login was revoked', async () => {
  await logIn();
  simulator.oauth.revoke('ada');
  expect((await kimi.run(prompt)).code).not.toBe(0);
  expect(await readCredential()).toMatchObject({ access_token: '', refresh_token: '', expires_at: 0, expires_in: 0 });
  expect([simulator.oauth.refused, simulator.oauth.reused]).toEqual([1, 0]);
});
