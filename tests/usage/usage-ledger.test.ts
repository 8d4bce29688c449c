import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { groupUsage, OTHER, totalUsage } from '../../src/core/tokens/usage-row.ts';
import { withFileLock } from '../../src/state/file-lock.ts';
import { usageFolder } from '../../src/usage/day-file.ts';
import { UsageLedger, type UsageLedgerOptions, type UsageRecord } from '../../src/usage/usage-ledger.ts';
import { readUsage } from '../../src/usage/usage-reader.ts';
import { startChild, temporaryFolder } from '../state/children.ts';
import { eventually } from '../support/eventually.ts';
import { soon } from '../support/soon.ts';

const NOON = Date.UTC(2026, 1, 2, 12);
const DAY_MS = 86_400_000;
const USAGE = { input: 10, cached: 5, output: 2, reasoning: 1 };
const ALL = { since: null, until: null };

type Opened = { ledger: UsageLedger; stateDir: string; warnings: string[]; pass: (ms: number) => void; now: () => number };

async function open(options: Partial<UsageLedgerOptions> = {}): Promise<Opened> {
  const stateDir = options.stateDir ?? (await temporaryFolder());
  let now = NOON;
  const warnings: string[] = [];
  const ledger = new UsageLedger({
    stateDir,
    zone: 'UTC',
    clock: () => now,
    lock: withFileLock,
    log: { warn: (message) => void warnings.push(message) },
    ...options,
  });
  return { ledger, stateDir, warnings, now: () => now, pass: (ms) => (now += ms) };
}

function aRecord(fields: Partial<UsageRecord> = {}): UsageRecord {
  return { at: NOON, keyLabel: 'ada', account: 'u1', model: 'k3', session: 's1', usage: USAGE, ...fields };
}

const fileOf = (stateDir: string, day: string) => join(usageFolder(stateDir), `${day}.jsonl`);

it('what was recorded is read back, summed by day, key, account, model and session', async () => {
  const { ledger, stateDir } = await open();
  ledger.record(aRecord());
  ledger.record(aRecord());
  ledger.record(aRecord({ keyLabel: 'ben', account: null, model: null, session: null, usage: null }));
  ledger.record(aRecord({ at: NOON - DAY_MS, requests: 3 }));
  await ledger.close();
  const rows = await readUsage(stateDir, ALL);
  expect(rows).toEqual([
    { day: '2026-02-01', key: 'ada', account: 'u1', model: 'k3', session: 's1', requests: 3, tokens: USAGE },
    {
      day: '2026-02-02',
      key: 'ada',
      account: 'u1',
      model: 'k3',
      session: 's1',
      requests: 2,
      tokens: { input: 20, cached: 10, output: 4, reasoning: 2 },
    },
    {
      day: '2026-02-02',
      key: 'ben',
      account: null,
      model: null,
      session: null,
      requests: 1,
      tokens: { input: 0, cached: 0, output: 0, reasoning: 0 },
    },
  ]);
  expect(await readUsage(stateDir, { since: '2026-02-02', until: null })).toEqual(rows.slice(1));
  expect(await readUsage(stateDir, { since: null, until: '2026-02-01' })).toEqual(rows.slice(0, 1));
});

it('a day begins at midnight of the zone', async () => {
  const { ledger, stateDir } = await open({ zone: '+03:00' });
  ledger.record(aRecord({ at: Date.UTC(2026, 1, 2, 20, 59, 59) }));
  ledger.record(aRecord({ at: Date.UTC(2026, 1, 2, 21, 0, 0) }));
  await ledger.close();
  expect((await readUsage(stateDir, ALL)).map(({ day }) => day)).toEqual(['2026-02-02', '2026-02-03']);
});

it('it saves by itself within a second, into private files', async () => {
  const { ledger, stateDir } = await open();
  ledger.record(aRecord());
  const start = performance.now();
  await eventually(async () => (await readUsage(stateDir, ALL))[0]);
  expect(performance.now() - start).toBeLessThan(soon(2000));
  expect((await stat(fileOf(stateDir, '2026-02-02'))).mode & 0o777).toBe(0o600);
  expect((await stat(usageFolder(stateDir))).mode & 0o777).toBe(0o700);
  await ledger.close();
});

it('without a folder there is nothing to read, and foreign or torn lines are passed over', async () => {
  const { ledger, stateDir } = await open();
  expect(await readUsage(stateDir, ALL)).toEqual([]);
  await mkdir(usageFolder(stateDir), { recursive: true });
  await writeFile(join(usageFolder(stateDir), 'notes.txt'), 'x');
  const torn = '{"key":"ada","requests":1,"input":10,"cached":5,"output":2,"reasoning":1}';
  const lines = ['', 'null', '[]', '{"key":"ada"}', torn.replace('10', '-1'), torn.replace('10', '1e999'), torn.slice(0, -9)];
  await writeFile(fileOf(stateDir, '2026-02-02'), lines.join('\n'));
  expect(await readUsage(stateDir, ALL)).toEqual([]);
  // The next line does not end up behind the torn one.
  ledger.record(aRecord());
  await ledger.close();
  expect(await readUsage(stateDir, ALL)).toMatchObject([{ requests: 1, session: 's1' }]);
});

it('a killed writer loses at most the last second, and what it saved counts once', async () => {
  const stateDir = await temporaryFolder();
  const child = startChild('../usage/usage-child.ts', [stateDir, 'ada', 'forever']);
  await eventually(async () => (totalUsage(await readUsage(stateDir, ALL)).requests > 500 ? true : undefined));
  child.process.kill('SIGKILL');
  const killedAt = Date.now();
  const { output } = await child.ended;
  const told = output
    .split('\n')
    .filter((line) => /^\d+ \d+$/.test(line))
    .map((line) => line.split(' ').map(Number) as [number, number]);
  const atLeast = told.findLast(([at]) => at < killedAt - 1000)?.[1] ?? 0;
  const atMost = (told.at(-1)?.[1] ?? 0) + 20;
  const { requests, tokens } = totalUsage(await readUsage(stateDir, ALL));
  expect(requests).toBeGreaterThanOrEqual(atLeast);
  expect(requests).toBeLessThanOrEqual(atMost);
  expect(tokens).toEqual({ input: 10 * requests, cached: 5 * requests, output: 2 * requests, reasoning: requests });
  // The lock of the dead is no obstacle.
  const { ledger } = await open({ stateDir });
  ledger.record(aRecord());
  await ledger.close();
  expect(totalUsage(await readUsage(stateDir, ALL)).requests).toBe(requests + 1);
});

it('a lock whose holder was killed before it could say who it is holds no save up for a second', async () => {
  const { ledger, stateDir } = await open();
  await mkdir(join(usageFolder(stateDir), 'ledger.lock'), { recursive: true });
  ledger.record(aRecord());
  const start = performance.now();
  await ledger.flush();
  // It was two seconds, more than a crash may cost.
  expect(performance.now() - start).toBeLessThan(1900);
  expect(totalUsage(await readUsage(stateDir, ALL)).requests).toBe(1);
  await ledger.close();
});

it('two processes write side by side and nothing is lost', async () => {
  const stateDir = await temporaryFolder();
  const children = ['ada', 'ben'].map((label) => startChild('../usage/usage-child.ts', [stateDir, label, '1500']));
  for (const { ended } of children) expect(await ended).toMatchObject({ code: 0, output: 'done\n' });
  const groups = groupUsage(await readUsage(stateDir, ALL), 'key');
  expect(groups.map(({ name, requests, tokens }) => [name, requests, tokens.input])).toEqual([
    ['ada', 1500, 15_000],
    ['ben', 1500, 15_000],
  ]);
});

it('a disk that refuses costs nothing but time', async () => {
  const { ledger, stateDir, warnings } = await open();
  const path = fileOf(stateDir, '2026-02-02');
  await mkdir(path, { recursive: true });
  ledger.record(aRecord());
  // Another day of the same save gets through, and is not saved twice.
  ledger.record(aRecord({ at: NOON - DAY_MS }));
  await ledger.flush();
  expect(warnings).toEqual(['The token accounts cannot be saved; they are kept in memory and tried again.']);
  ledger.record(aRecord());
  await rm(path, { recursive: true });
  await ledger.close();
  expect(groupUsage(await readUsage(stateDir, ALL), 'day').map(({ name, requests }) => [name, requests])).toEqual([
    ['2026-02-01', 1],
    ['2026-02-02', 2],
  ]);
});

it('a lock that cannot be had leaves everything in memory, bounded, and sums stay right', async () => {
  let isLocked = true;
  const { ledger, stateDir } = await open({
    lock: (path, work) => (isLocked ? Promise.reject(new Error('held')) : withFileLock(path, work)),
  });
  for (let n = 0; n < 20_000; n++) ledger.record(aRecord({ session: `s${n}` }));
  await ledger.flush();
  for (let n = 0; n < 20_000; n++) ledger.record(aRecord({ session: `t${n}` }));
  isLocked = false;
  await ledger.close();
  const rows = await readUsage(stateDir, ALL);
  expect(totalUsage(rows)).toMatchObject({ requests: 40_000, tokens: { input: 400_000 } });
  expect(rows.length).toBeLessThanOrEqual(20_001);
});

it('what comes while a save waits counts against the same bound', async () => {
  let letGo = (): void => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const { ledger, stateDir } = await open({ lock: async (path, work) => held.then(() => withFileLock(path, work)) });
  for (let n = 0; n < 20_000; n++) ledger.record(aRecord({ session: `s${n}` }));
  const saved = ledger.flush();
  await nextTurn();
  for (let n = 0; n < 20_000; n++) ledger.record(aRecord({ session: `t${n}` }));
  letGo();
  await saved;
  await ledger.close();
  const rows = await readUsage(stateDir, ALL);
  expect(totalUsage(rows)).toMatchObject({ requests: 40_000 });
  expect(rows.filter(({ session }) => session?.startsWith('t'))).toEqual([]);
});

it('100,000 sessions in a day leave a small file and right sums', async () => {
  const { ledger, stateDir } = await open();
  const sizes: number[] = [];
  for (let n = 0; n < 100_000; n++) {
    // Ten sessions go on all day; they keep their names.
    ledger.record(aRecord({ session: n % 4 === 0 ? `main${n % 40}` : `short${n}`, model: n % 1000 === 0 ? `m${n}` : 'k3' }));
    if (n % 4000 !== 3999) continue;
    await ledger.flush();
    sizes.push((await stat(fileOf(stateDir, '2026-02-02'))).size);
  }
  await ledger.close();
  const rows = await readUsage(stateDir, ALL);
  expect(totalUsage(rows)).toMatchObject({ requests: 100_000, tokens: { input: 1_000_000, reasoning: 100_000 } });
  expect(Math.max(...sizes)).toBeLessThan(1024 * 1024);
  const main = groupUsage(rows, 'session').filter(({ name }) => name?.startsWith('main'));
  expect(main.map(({ requests }) => requests)).toEqual(Array.from({ length: 10 }, () => 2500));
  expect(groupUsage(rows, 'session').some(({ name }) => name === OTHER)).toBe(true);
  await readdir(usageFolder(stateDir)).then((names) => expect(names).toEqual(['2026-02-02.jsonl']));
});

it('a day that is over is compacted once, and late increments to it still count', async () => {
  const { ledger, stateDir, pass, now } = await open();
  for (let n = 0; n < 3000; n++) {
    ledger.record(aRecord({ session: `s${n % 600}` }));
    if (n % 300 === 0) await ledger.flush();
  }
  await ledger.flush();
  pass(DAY_MS);
  ledger.record(aRecord({ at: now() }));
  await ledger.flush();
  const path = fileOf(stateDir, '2026-02-02');
  const text = await readFile(path, 'utf8');
  expect(text.split('\n')).toHaveLength(1 + 201 + 1);
  await utimes(path, 1, 1);
  pass(DAY_MS);
  ledger.record(aRecord({ at: now() }));
  await ledger.flush();
  expect((await stat(path)).mtimeMs).toBe(1000);
  ledger.record(aRecord());
  await ledger.close();
  expect(groupUsage(await readUsage(stateDir, ALL), 'day').map(({ name, requests }) => [name, requests])).toEqual([
    ['2026-02-02', 3001],
    ['2026-02-03', 1],
    ['2026-02-04', 1],
  ]);
});

it('the files of the last hundred days are kept', async () => {
  const { ledger, stateDir } = await open();
  for (let n = 0; n < 130; n++) ledger.record(aRecord({ at: NOON - n * DAY_MS }));
  await ledger.close();
  const again = await open({ stateDir });
  again.ledger.record(aRecord());
  await again.ledger.close();
  const days = groupUsage(await readUsage(stateDir, ALL), 'day');
  expect(days).toHaveLength(100);
  expect(days.at(-1)).toMatchObject({ name: '2026-02-02', requests: 2 });
});

it('a folder that cannot be read is an error that names it', async () => {
  const stateDir = await temporaryFolder();
  await writeFile(usageFolder(stateDir), 'a file in its place');
  await expect(readUsage(stateDir, ALL)).rejects.toMatchObject({
    code: 'state_unusable',
    message: expect.stringContaining(stateDir),
  });
});
