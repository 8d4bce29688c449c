import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Key } from '../../src/core/keys/key.ts';
import type { KeyHealth } from '../../src/core/quota/key-health.ts';
import { QuotaFile, saveQuotaReadings } from '../../src/state/quota-file.ts';
import { quotaPath, readQuotaFile, readQuotaReadings } from '../../src/state/quota-readings.ts';
import { bad, keyNamed } from '../health/keys.ts';
import { eventually } from '../support/eventually.ts';

const NOW = Date.parse('2026-11-20T08:00:00Z');
const MINUTE = 60_000;
const DAY = 86_400_000;

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'kmi-quota-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

function reading(left: number, fetchedAt: number): KeyHealth {
  const window = { label: '5h limit', remainingShare: left, used: 4, limit: 100, resetsAt: NOW + 3_600_000 };
  const windows = [{ ...window, resetHint: null, durationMs: 5 * 3_600_000 }];
  const usage = { windows, remainingShare: left, walletCents: 120, parallelLimit: 3, plan: 'Plus' };
  return { usage, error: null, fetchedAt, askedAt: fetchedAt - 250 };
}

function open(stateDir: string, warnings: string[] = []) {
  return new QuotaFile({
    stateDir,
    clock: () => NOW,
    log: { warn: (message) => warnings.push(message) },
    gatherMs: 5,
    everyMs: 50,
  });
}

const left = async (stateDir: string, keys: readonly Key[], now = NOW) =>
  Object.fromEntries(
    [...(await readQuotaReadings(stateDir, keys, now))].map(([label, { usage }]) => [label, usage?.remainingShare]),
  );

const [a, b] = [keyNamed('a'), keyNamed('b')];

it('a reading comes back whole, from a private file without a secret, written on its own', async () => {
  const stateDir = await folder();
  open(stateDir).record(a, reading(0.96, NOW));
  await eventually(async () => (await readdir(stateDir)).join() === 'quota.json' || null);
  expect(await readQuotaReadings(stateDir, [a, b], NOW)).toEqual(new Map([['a', reading(0.96, NOW)]]));
  expect((await stat(quotaPath(stateDir))).mode & 0o777).toBe(0o600);
  expect(await readFile(quotaPath(stateDir), 'utf8')).not.toContain(a.value);
});

it('several writers keep what each of them knows; of one key the newer reading stays', async () => {
  const stateDir = await folder();
  const [one, other] = [open(stateDir), open(stateDir)];
  one.record(a, reading(0.9, NOW - MINUTE));
  one.record(b, reading(0.5, NOW));
  other.record(a, reading(0.8, NOW));
  await Promise.all([one.close(), other.close()]);
  await saveQuotaReadings({ stateDir, clock: () => NOW }, [b], new Map([['b', reading(0.1, NOW - 1)]]));
  expect(await left(stateDir, [a, b])).toEqual({ a: 0.8, b: 0.5 });
});

it('readings that come one by one are written together, and not again at once', async () => {
  const stateDir = await folder();
  const file = new QuotaFile({ stateDir, clock: () => NOW, log: { warn: () => undefined }, gatherMs: 5, everyMs: 3_600_000 });
  for (const key of [a, b]) file.record(key, reading(0.7, NOW));
  await eventually(async () => (Object.keys(await left(stateDir, [a, b])).length > 0 ? true : null));
  expect(await left(stateDir, [a, b])).toEqual({ a: 0.7, b: 0.7 });
  const { ino } = await stat(quotaPath(stateDir), { bigint: true });
  file.record(a, reading(0.6, NOW + 1));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect((await stat(quotaPath(stateDir), { bigint: true })).ino).toBe(ino);
  await file.close();
  expect(await left(stateDir, [a, b])).toEqual({ a: 0.6, b: 0.7 });
});

it('a renamed key keeps its reading; another key under the label, or the same at another address, has none', async () => {
  const stateDir = await folder();
  const file = open(stateDir);
  file.record(a, reading(0.3, NOW));
  await file.close();
  expect(await left(stateDir, [{ ...a, label: 'new name' }])).toEqual({ 'new name': 0.3 });
  expect(await left(stateDir, [keyNamed('a', { hash: 'another' })])).toEqual({});
  expect(await left(stateDir, [keyNamed('a', { baseUrl: 'https://example.test/v1' })])).toEqual({});
});

it('a failed answer leaves the last good reading; without one it is none', async () => {
  const stateDir = await folder();
  const file = open(stateDir);
  file.record(a, reading(0.3, NOW - MINUTE));
  file.record(a, bad('HTTP 500', NOW));
  file.record(b, bad('HTTP 401', NOW));
  await file.close();
  expect(await left(stateDir, [a, b])).toEqual({ a: 0.3 });
});

it('readings of the future and of more than a month ago count for nothing and go', async () => {
  const stateDir = await folder();
  const before = new QuotaFile({ stateDir, clock: () => NOW + 400 * DAY, log: { warn: () => undefined } });
  before.record(a, reading(0.9, NOW + 400 * DAY));
  await before.close();
  expect(await left(stateDir, [a])).toEqual({});
  const file = open(stateDir);
  file.record(a, reading(0.2, NOW - 31 * DAY));
  file.record(b, reading(0.2, NOW - 40 * DAY));
  await file.close();
  expect(await left(stateDir, [a, b])).toEqual({ a: 0.2 });
  expect(await left(stateDir, [a], NOW + 2 * DAY)).toEqual({});
});

it.each([
  ['', 'damaged'],
  ['garbage', 'damaged'],
  ['[]', 'damaged'],
  ['{"schema_version":1}', 'damaged'],
  ['{"schema_version":1,"readings":{}}', 'damaged'],
  ['{"schema_version":2,"windows":[]}', 'newer'],
])('a file that says %j gives no readings, is named %s, and is written anew', async (text, kind) => {
  const stateDir = await folder();
  await writeFile(quotaPath(stateDir), text);
  expect([await readQuotaFile(stateDir), await left(stateDir, [a])]).toEqual([kind, {}]);
  const warnings: string[] = [];
  const file = open(stateDir, warnings);
  file.record(a, reading(0.4, NOW));
  await file.close();
  expect(await left(stateDir, [a])).toEqual({ a: 0.4 });
  expect(warnings).toHaveLength(kind === 'damaged' ? 1 : 0);
});

it('what is not usable in an entry is left out, and nothing in it can drive a terminal', async () => {
  const stateDir = await folder();
  const entry = { key_hash: a.hash, base_url: a.baseUrl, fetched_at: '2026-11-20T08:00:00.000Z' };
  const windows = [
    { label: '5h\u001b[2J limit', remaining_share: 7, resets_at: 'soon', used: -1 },
    { label: 5 },
    null,
    { label: '7d limit', remaining_share: 0.5 },
  ];
  const readings = [null, { ...entry, windows, plan: '\u001b]0;x\u0007' }, { key_hash: b.hash, base_url: b.baseUrl }];
  await writeFile(quotaPath(stateDir), JSON.stringify({ schema_version: 1, readings }));
  const known = await readQuotaReadings(stateDir, [a, b], NOW);
  expect([...known.keys()]).toEqual(['a']);
  expect(
    known.get('a')?.usage?.windows.map(({ label, remainingShare, resetsAt, used }) => [label, remainingShare, resetsAt, used]),
  ).toEqual([
    ['5h [2J limit', null, null, null],
    ['7d limit', 0.5, null, null],
  ]);
  expect(JSON.stringify([...known])).not.toContain('\\u001b');
});

it('a folder that cannot be written is reported and costs nothing else', async () => {
  const stateDir = await folder();
  await writeFile(join(stateDir, 'file'), '');
  const warnings: string[] = [];
  const file = open(join(stateDir, 'file'), warnings);
  file.record(a, reading(0.4, NOW));
  await file.close();
  expect(warnings).toHaveLength(1);
  expect(await readQuotaFile(join(stateDir, 'file'))).toBe('none');
});
