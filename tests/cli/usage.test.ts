import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { withFileLock } from '../../src/state/file-lock.ts';
import { UsageLedger } from '../../src/usage/usage-ledger.ts';
import { type TemporaryHome, temporaryHome } from '../support/home.ts';
import { runKmi } from '../support/spawn.ts';

const Count = z.int().nonnegative();
const Counts = z.strictObject({
  requests: Count,
  input_tokens: Count,
  cached_tokens: Count,
  cached_share: z.number().min(0).max(1).nullable(),
  output_tokens: Count,
  reasoning_tokens: Count,
});
const Usage = z.strictObject({
  by: z.enum(['key', 'account', 'model', 'day', 'session']),
  since: z.iso.date(),
  until: z.iso.date().nullable(),
  timezone: z.string(),
  total: Counts,
  groups: z.array(z.strictObject({ name: z.string().nullable(), keys: z.array(z.string()).optional(), ...Counts.shape })),
});

const DAY_MS = 86_400_000;

async function homeWithUsage(): Promise<TemporaryHome> {
  const home = await temporaryHome();
  const ledger = new UsageLedger({
    stateDir: home.stateDir,
    zone: 'UTC',
    clock: Date.now,
    lock: withFileLock,
    log: { warn: (message) => expect.unreachable(message) },
  });
  const at = Date.now();
  const usage = { input: 100, cached: 60, output: 10, reasoning: 4 };
  ledger.record({ at, keyLabel: 'ada', account: 'u1', model: 'k3', session: 's1', usage, requests: 2 });
  ledger.record({ at, keyLabel: 'ben', account: 'u1', model: 'k3', session: null, usage: { ...usage, input: 900 } });
  ledger.record({ at: at - 20 * DAY_MS, keyLabel: 'old', account: null, model: null, session: null, usage: null });
  await ledger.close();
  return home;
}

const utc = (home: TemporaryHome) => ({ env: { ...home.env, KMI_TIMEZONE: 'UTC' } });

it('shows a line a key, most tokens first, and the total, of the last seven days', async () => {
  const home = await homeWithUsage();
  const { code, stdout, stderr } = await runKmi(['usage', '--plain'], utc(home));
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const since = new Date(Date.now() - 7 * DAY_MS).toISOString().slice(0, 10);
  expect(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(/ +/g, ' ')),
  ).toEqual([
    `Tokens by key since ${since}`,
    '',
    'KEY REQUESTS INPUT CACHED OUTPUT REASONING',
    'ben 1 900 60 7 % 10 4',
    'ada 2 100 60 60 % 10 4',
    'total 3 1,000 120 12 % 20 8',
  ]);
});

it('--json is one value of the documented shape', async () => {
  const home = await homeWithUsage();
  for (const by of ['key', 'account', 'model', 'day', 'session']) {
    const { code, stdout, stderr } = await runKmi(['usage', '--by', by, '--since', '30d', '--json'], utc(home));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const usage = Usage.parse(JSON.parse(stdout));
    expect(usage).toMatchObject({ by, timezone: 'UTC', total: { requests: 4, input_tokens: 1000, cached_share: 0.12 } });
    expect(usage.groups.reduce((sum, { requests }) => sum + requests, 0)).toBe(4);
  }
  const { groups } = Usage.parse(JSON.parse((await runKmi(['usage', '--since', '30d', '--json'], utc(home))).stdout));
  expect(groups.map(({ name, cached_share }) => [name, cached_share])).toEqual([
    ['ben', 60 / 900],
    ['ada', 0.6],
    ['old', null],
  ]);
});

it('--by account names the keys of each account, and what is not known as such', async () => {
  const home = await homeWithUsage();
  const args = ['usage', '--by', 'account', '--since', '30d'];
  const { stdout } = await runKmi([...args, '--plain'], utc(home));
  expect(stdout).toMatch(/^u1 \(ben, ada\) +3 /m);
  expect(stdout).toMatch(/^not known \(old\) +1 /m);
  const { groups } = Usage.parse(JSON.parse((await runKmi([...args, '--json'], utc(home))).stdout));
  expect(groups.map(({ name, keys }) => [name, keys])).toEqual([
    ['u1', ['ben', 'ada']],
    [null, ['old']],
  ]);
  expect((await runKmi(['usage', '--json'], utc(home))).stdout).not.toContain('"keys"');
});

it('--since takes a span or a date and counts its day as a whole', async () => {
  const home = await homeWithUsage();
  const requestsSince = async (since: string) =>
    Usage.parse(JSON.parse((await runKmi(['usage', '--since', since, '--json'], utc(home))).stdout)).total.requests;
  const today = new Date().toISOString().slice(0, 10);
  expect(await requestsSince(today)).toBe(3);
  expect(await requestsSince('2020-01-01')).toBe(4);
  expect(await requestsSince('2099-01-01T00:00:00Z')).toBe(0);
  expect(await requestsSince('today')).toBe(3);
});

it('--until is the last day that counts', async () => {
  const home = await homeWithUsage();
  const period = async (...args: string[]) =>
    Usage.parse(JSON.parse((await runKmi(['usage', '--json', ...args], utc(home))).stdout));
  expect((await period('--since', '30d', '--until', 'yesterday')).total.requests).toBe(1);
  expect((await period('--since', '30d', '--until', 'today')).total.requests).toBe(4);
  const day = new Date(Date.now() - DAY_MS).toISOString().slice(0, 10);
  expect(await period('--since', 'yesterday', '--until', 'yesterday')).toMatchObject({ since: day, until: day, groups: [] });
  const { stdout } = await runKmi(['usage', '--since', '30d', '--until', 'today', '--plain'], utc(home));
  expect(stdout).toMatch(/^Tokens by key from \d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d$/m);
});

it('without anything counted it says so and is no failure', async () => {
  const home = await temporaryHome();
  expect(await runKmi(['usage'], utc(home))).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^No tokens were counted since/),
  });
  const { stdout } = await runKmi(['usage', '--json'], utc(home));
  expect(Usage.parse(JSON.parse(stdout))).toMatchObject({ groups: [], total: { requests: 0, cached_share: null } });
});

it.each([
  [['--by', 'colour'], '--by colour: takes key, account, model, day, session.'],
  [['--since', 'last week'], '--since last week: takes today, yesterday, week, month, a span such as 10m, 12h or 30d, or a time'],
  [['--until', 'soon'], '--until soon: takes today'],
  [['--since', 'today', '--until', 'yesterday'], 'lies before --since'],
])('%j is a usage error', async (args, words) => {
  const { code, stdout, stderr } = await runKmi(['usage', ...args], utc(await temporaryHome()));
  expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: expect.stringContaining(words) });
});

it('accounts that cannot be read are an error that names the folder', async () => {
  const home = await temporaryHome();
  await mkdir(home.stateDir);
  await writeFile(join(home.stateDir, 'usage'), 'a file in its place');
  const { code, stderr } = await runKmi(['usage'], utc(home));
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(join(home.stateDir, 'usage')) });
});
