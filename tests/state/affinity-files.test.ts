import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { unpackSessions } from '../../src/core/sessions/session-dump.ts';
import { Sessions } from '../../src/core/sessions/session-table.ts';
import { UploadedFiles } from '../../src/core/sessions/uploaded-files.ts';
import { AffinityFiles, sessionsPath, uploadsPath } from '../../src/state/affinity-files.ts';

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'kmi-affinity-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

function memory(stateDir: string) {
  const warnings: string[] = [];
  const sessions = new Sessions();
  const files = new UploadedFiles();
  const memory = { sessions, files, sessionChanges: 0, fileChanges: 0 };
  let merged = 0;
  const onMerged = () => {
    merged += 1;
  };
  const store = new AffinityFiles({ stateDir, memory, onMerged, log: { warn: (message) => warnings.push(message) } });
  return {
    store,
    sessions,
    files,
    warnings,
    merged: () => merged,
    see(session: number, account: string, at: number) {
      sessions.set(session, account, at, session);
      memory.sessionChanges += 1;
    },
    upload(id: string, account: string) {
      files.set(id, account);
      memory.fileChanges += 1;
    },
  };
}

it('two proxies on one folder keep what both know; of one session the newer sight', async () => {
  const stateDir = await folder();
  const [one, other] = [memory(stateDir), memory(stateDir)];
  one.see(1, 'a', 1_000);
  one.see(2, 'a', 9_000);
  one.upload('file-1', 'a');
  other.see(2, 'b', 5_000);
  other.see(3, 'b', 6_000);
  other.upload('file-2', 'b');
  for (const { store } of [one, other, one]) await store.sync();
  for (const { sessions, files } of [one, other]) {
    expect([...sessions.entries()].map(({ session, accountId }) => [session, accountId])).toEqual([
      [1, 'a'],
      [3, 'b'],
      [2, 'a'],
    ]);
    expect(files.accountOf('file-1')).toBe('a');
    expect(files.accountOf('file-2')).toBe('b');
  }
  expect(unpackSessions(await readFile(sessionsPath(stateDir)))?.map(({ tokens }) => tokens)).toEqual([1, 3, 2]);
});

it('writes private files, only when there is something new, and leaves nothing else behind', async () => {
  const stateDir = await folder();
  const one = memory(stateDir);
  await one.store.sync();
  expect(await readdir(stateDir)).toEqual([]);
  one.see(1, 'a', 1_000);
  one.upload('file-1', 'a');
  await one.store.sync();
  expect((await readdir(stateDir)).toSorted()).toEqual(['sessions.bin', 'uploads.json']);
  const [first] = await Promise.all([stat(sessionsPath(stateDir), { bigint: true })]);
  expect(Number(first.mode & 0o777n)).toBe(0o600);
  await one.store.close();
  expect((await stat(sessionsPath(stateDir), { bigint: true })).ino).toBe(first.ino);
  expect(one.merged()).toBe(0);
});

it('a damaged file is reported, and what comes next is written over it', async () => {
  const stateDir = await folder();
  await writeFile(sessionsPath(stateDir), 'garbage');
  await writeFile(uploadsPath(stateDir), '[]');
  const one = memory(stateDir);
  await one.store.sync();
  await one.store.sync();
  expect(one.warnings).toHaveLength(2);
  one.see(1, 'a', 1_000);
  one.upload('file-1', 'a');
  await one.store.sync();
  const again = memory(stateDir);
  await again.store.sync();
  expect([again.sessions.accountOf(1), again.files.accountOf('file-1'), again.warnings]).toEqual(['a', 'a', []]);
});

it('a folder that cannot be written is reported and costs nothing else', async () => {
  const stateDir = await folder();
  await writeFile(join(stateDir, 'file'), '');
  const one = memory(join(stateDir, 'file'));
  one.see(1, 'a', 1_000);
  await one.store.close();
  expect(one.warnings).toEqual(['Sessions or uploads could not be read or saved; this is tried again.']);
});
