import { EventEmitter, once } from 'node:events';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startKeyWatch } from '../../src/keys/auth-watch.ts';
import type { Registry } from '../../src/keys/registry.ts';
import { load, put, temporaryFolder } from './auth-folder-fixture.ts';

const NEVER_BY_ITSELF = 1_000_000_000;

/** A watch over one key, driven by hand: `polls(n)` polls n times and returns the labels published so far, each as one text. */
async function watched(files: Readonly<Record<string, string>> = { 'a.env': 'KMI_API_KEY=sk-a' }) {
  const folder = join(await temporaryFolder(), 'auths');
  for (const [name, content] of Object.entries(files)) await put(folder, name, content);
  const published: Registry[] = [];
  const errors: unknown[] = [];
  const hooks: { load: () => Promise<Registry> } = { load: () => load(folder) };
  const watch = startKeyWatch({
    load: () => hooks.load(),
    current: await load(folder),
    intervalMs: NEVER_BY_ITSELF,
    onChange: (registry) => published.push(registry),
    onError: (error) => errors.push(error),
  });
  onTestFinished(() => watch.stop());
  const polls = async (count: number) => {
    for (let poll = 0; poll < count; poll += 1) await watch.checkNow();
    return published.map(({ keys }) => keys.map(({ label }) => label).join(' '));
  };
  return { folder, watch, published, errors, hooks, polls };
}

test('an unchanged folder publishes nothing', async () => {
  const { polls } = await watched();
  expect(await polls(5)).toEqual([]);
});

test('a new file is taken by the second poll that sees it, once', async () => {
  const { folder, polls } = await watched();
  await put(folder, 'b.env', 'KMI_API_KEY=sk-b');
  expect(await polls(1)).toEqual([]);
  expect(await polls(1)).toEqual(['a b']);
  expect(await polls(3)).toEqual(['a b']);
});

test('a file that is still being written is waited for', async () => {
  const { folder, published, polls } = await watched();
  for (const text of ['KMI_API', 'KMI_API_KEY=sk', 'KMI_API_KEY=sk-whole']) {
    await put(folder, 'b.env', text);
    expect(await polls(1)).toEqual([]);
  }
  expect(await polls(1)).toEqual(['a b']);
  expect(published[0]?.byLabel.get('b')?.value).toBe('sk-whole');
});

test('a change in a folder one level below, and a deleted file, are noticed', async () => {
  const { folder, polls } = await watched();
  await put(folder, 'sub/c.toml', '[providers.x]\napi_key = "sk-c"\n');
  expect(await polls(2)).toEqual(['a c']);
  await rm(join(folder, 'a.env'));
  expect(await polls(2)).toEqual(['a c', 'c']);
});

test('a touched file with the same content publishes nothing', async () => {
  const { folder, polls } = await watched();
  await put(folder, 'a.env', 'KMI_API_KEY=sk-a');
  expect(await polls(4)).toEqual([]);
});

test('a file that breaks keeps its key for two further polls and is then dropped', async () => {
  const { folder, published, polls } = await watched();
  await put(folder, 'a.env', '');
  expect(await polls(3)).toEqual([]);
  expect(await polls(1)).toEqual(['']);
  expect(published[0]?.skipped).toMatchObject([{ reason: 'no_key' }]);
  await put(folder, 'a.env', 'KMI_API_KEY=sk-a');
  expect(await polls(2)).toEqual(['', 'a']);
});

test('a file that breaks and is mended in time never drops its key', async () => {
  const { folder, published, polls } = await watched({ 'a.toml': '[providers.x]\napi_key = "sk-a"\n' });
  await put(folder, 'a.toml', '[providers.x]\napi_key = "sk-');
  expect(await polls(3)).toEqual([]);
  await put(folder, 'a.toml', '[providers.x]\napi_key = "sk-b"\n');
  expect(await polls(2)).toEqual(['a']);
  expect(published[0]?.keys[0]?.value).toBe('sk-b');
});

test('a new file that is broken from the start holds nothing up', async () => {
  const { folder, published, polls } = await watched();
  await put(folder, 'b.toml', 'broken');
  await put(folder, 'c.env', 'KMI_API_KEY=sk-c');
  expect(await polls(2)).toEqual(['a c']);
  expect(published[0]?.skipped).toHaveLength(1);
});

test('a folder that goes away for a moment keeps its keys; one that stays away does not', async () => {
  const { folder, published, polls } = await watched();
  await rename(folder, `${folder}.away`);
  expect(await polls(3)).toEqual([]);
  await rename(`${folder}.away`, folder);
  expect(await polls(4)).toEqual([]);
  await rm(folder, { recursive: true });
  expect(await polls(4)).toEqual(['']);
  expect(published[0]?.folderExists).toBe(false);
});

test('a file written to while it is read is read again', async () => {
  const { folder, hooks, polls } = await watched();
  await put(folder, 'b.env', 'KMI_API_KEY=sk-b');
  await polls(1);
  hooks.load = async () => {
    const registry = await load(folder);
    await put(folder, 'b.env', `KMI_API_KEY=sk-b\nKMI_KEY_LABEL=late`);
    hooks.load = () => load(folder);
    return registry;
  };
  expect(await polls(1)).toEqual([]);
  expect(await polls(2)).toEqual(['a late']);
});

test('a failure is reported once, the old keys stay, and the change is taken when loading works again', async () => {
  const { folder, errors, hooks, polls } = await watched();
  await put(folder, 'b.env', 'KMI_API_KEY=sk-b');
  hooks.load = () => Promise.reject(new Error('disk on fire'));
  expect(await polls(4)).toEqual([]);
  expect(errors).toEqual([new Error('disk on fire')]);
  hooks.load = () => load(folder);
  expect(await polls(1)).toEqual(['a b']);
});

test('it polls by itself, and not after stop', async () => {
  const folder = await temporaryFolder();
  await put(folder, 'a.env', 'KMI_API_KEY=sk-a');
  const current = await load(folder);
  const changes = new EventEmitter();
  const change = once(changes, 'change') as Promise<[Registry]>;
  let published = 0;
  const watch = startKeyWatch({
    load: () => load(folder),
    current,
    intervalMs: 10,
    onChange: (registry) => {
      published += 1;
      changes.emit('change', registry);
    },
    onError: (error) => {
      throw error;
    },
  });
  onTestFinished(() => watch.stop());
  await put(folder, 'b.env', 'KMI_API_KEY=sk-b');
  expect((await change)[0].keys).toHaveLength(2);
  watch.stop();
  await put(folder, 'c.env', 'KMI_API_KEY=sk-c');
  await watch.checkNow();
  await watch.checkNow();
  expect(published).toBe(1);
});

test('between two polls of a large folder, files that come, go or are replaced show in the times of the folders', async () => {
  const folder = await temporaryFolder();
  await put(folder, 'a.env', 'KMI_API_KEY=sk-a');
  await put(folder, 'sub/c.env', 'KMI_API_KEY=sk-c');
  const changes = new EventEmitter();
  const watch = startKeyWatch({
    load: () => load(folder),
    current: await load(folder),
    intervalMs: 10,
    // Once it has polled, nothing but a changed folder makes it poll again.
    pollShare: 1e-9,
    onChange: (registry) => changes.emit('change', registry.keys.map(({ value }) => value).join(' ')),
    onError: (error) => changes.emit('error', error),
  });
  onTestFinished(() => watch.stop());
  const changed = async (change: () => Promise<unknown>) => {
    const next = once(changes, 'change');
    await change();
    return (await next)[0];
  };
  expect(await changed(() => put(folder, 'b.env', 'KMI_API_KEY=sk-b'))).toBe('sk-a sk-b sk-c');
  expect(await changed(() => put(folder, 'sub/d.env', 'KMI_API_KEY=sk-d'))).toBe('sk-a sk-b sk-c sk-d');
  expect(await changed(() => rm(join(folder, 'sub/c.env')))).toBe('sk-a sk-b sk-d');
  await put(folder, 'new', 'KMI_API_KEY=sk-new');
  expect(await changed(() => rename(join(folder, 'new'), join(folder, 'a.env')))).toBe('sk-new sk-b sk-d');
});
