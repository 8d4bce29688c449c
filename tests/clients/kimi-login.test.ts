import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { beforeAll, beforeEach, expect, it } from 'vitest';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { cleanUp } from '../support/cleanup.ts';
import { temporaryHome } from '../support/home.ts';
import { type InstalledClients, installClients } from './installed-clients.ts';
import { ALONE, type Printed, pathWithKimi, runKimi } from './kimi-environment.ts';

// The simulated authorisation server against the official client: what holds here may be relied on in the other tests.

let clients: InstalledClients;
let simulator: Simulator;
let home: string;

beforeAll(async () => {
  clients = await installClients();
});

beforeEach(async () => {
  simulator = await startSimulator({ accounts: [{ name: 'ada', keys: [] }], oauth: { intervalS: 1 }, enforceUserAgent: true });
  cleanUp(() => simulator.close());
  home = (await temporaryHome()).root;
  // A login opens a browser where it finds one.
  await mkdir(join(home, 'bin'));
  for (const opener of ['xdg-open', 'open']) await writeFile(join(home, 'bin', opener), '#!/bin/sh\n', { mode: 0o755 });
});

function kimi(args: readonly string[]): Promise<Printed> {
  return runKimi(clients, args, home, {
    PATH: `${join(home, 'bin')}${delimiter}${pathWithKimi(clients)}`,
    HOME: home,
    KIMI_CODE_HOME: join(home, '.kimi-code'),
    ...ALONE,
    KIMI_CODE_BASE_URL: simulator.baseUrl,
    KIMI_CODE_OAUTH_HOST: simulator.origin,
  });
}

async function logIn(): Promise<void> {
  const login = kimi(['login']);
  await simulator.waitFor(() => simulator.oauth.received.some(({ step }) => step === 'poll'), 60_000);
  const [userCode = ''] = simulator.oauth.pending;
  simulator.oauth.approve(userCode, 'ada');
  expect(await login).toMatchObject({ code: 0, stderr: expect.stringContaining(userCode) });
}

async function readCredential(): Promise<Record<string, unknown>> {
  const folder = join(home, '.kimi-code/credentials');
  const [file = ''] = await readdir(folder);
  return JSON.parse(await readFile(join(folder, file), 'utf8'));
}

const greeting = { code: 0, stdout: expect.stringMatching(/Hello from account ada, request \d+\./) };
const prompt = ['-p', 'say hello'];
const chats = () => simulator.received.filter(({ method }) => method === 'POST');

it('Kimi Code logs in, and its access token serves in all three protocols without a renewal', async () => {
  await logIn();
  for (const protocol of [null, 'anthropic', 'response'] as const) {
    simulator.account('ada').behave({ modelProtocol: protocol });
    // With a login it asks for no code: it reads the models again.
    expect(await kimi(['login'])).toMatchObject({ code: 0 });
    expect(await kimi(prompt)).toMatchObject(greeting);
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
  expect(await kimi(prompt)).toMatchObject(greeting);
  expect(chats().map(({ status }) => status)).toEqual([401, 200]);
  expect(simulator.oauth.grants).toMatchObject([{ kind: 'device' }, { kind: 'refresh', refreshToken: before.refresh_token }]);
  const after = await readCredential();
  expect(simulator.oauth.isLive(String(after.refresh_token))).toBe(true);
  expect(simulator.oauth.accountOf(String(after.access_token))?.name).toBe('ada');
});

it('Kimi Code leaves a tombstone when its login was revoked', async () => {
  await logIn();
  simulator.oauth.revoke('ada');
  expect((await kimi(prompt)).code).not.toBe(0);
  expect(await readCredential()).toMatchObject({ access_token: '', refresh_token: '', expires_at: 0, expires_in: 0 });
  expect([simulator.oauth.refused, simulator.oauth.reused]).toEqual([1, 0]);
});
