import { open, readdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { addTo, type KeyChange } from '../../src/state/changes.ts';
import { StateStore, statePath } from '../../src/state/store.ts';
import { cleanUp } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryFolder } from './children.ts';

async function openStore() {
  const path = statePath(await temporaryFolder());
  const store = await StateStore.open({ path, clock: Date.now, log: { warn: () => undefined } });
  cleanUp(() => store.close());
  const plusOne = async () => {
    const change: KeyChange = {};
    addTo(change, 'requests', 1);
    store.changeKey('k', change);
    await store.save();
  };
  await plusOne();
  return { path, store, plusOne };
}

/** Writes as an editor or a shell does: empties the file first, and fills it in two parts, without the lock. */
async function writeSlowly(path: string, requests: number): Promise<void> {
  const file = await open(path, 'w');
  await delay(60);
  await file.write('{"keys":{"k":');
  await delay(60);
  await file.write(`{"request_count":${requests}}}}`);
  await file.close();
}

const namesBeside = async (path: string) => (await readdir(dirname(path))).filter((name) => !name.endsWith('.lock'));

it('a file that somebody without the lock is in the middle of writing is awaited by the watcher', async () => {
  const { path, store } = await openStore();
  store.startWatching(5, () => undefined);
  await writeSlowly(path, 70);
  await eventually(() => expect(store.keyState('k').requests).toBe(70));
  expect(await namesBeside(path)).toEqual(['state.json']);
});

it('and by a save, which adds to what was written', async () => {
  const { path, store, plusOne } = await openStore();
  const before = await readFile(path, 'utf8');
  const written = writeSlowly(path, 70);
  await eventually(async () => expect(await readFile(path, 'utf8')).not.toBe(before));
  await Promise.all([plusOne(), written]);
  expect(store.keyState('k').requests).toBe(71);
  expect(JSON.parse(await readFile(path, 'utf8')).keys.k.request_count).toBe(71);
  expect(await namesBeside(path)).toEqual(['state.json']);
});
