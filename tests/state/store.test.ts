import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { newKeyState } from '../../src/core/keys/key-state.ts';
import { addTo, type KeyChange, takeOneOff } from '../../src/state/changes.ts';
import { StateStore, statePath } from '../../src/state/store.ts';
import { cleanUp } from '../support/cleanup.ts';
import { startChild, temporaryFolder } from './children.ts';

type Warning = { readonly message: string; readonly details: Record<string, unknown> | undefined };

async function newPath(): Promise<string> {
  return statePath(await temporaryFolder());
}

async function open(path: string, clock: () => number = Date.now) {
  const warnings: Warning[] = [];
  const warn = (message: string, details?: Record<string, unknown>) => warnings.push({ message, details });
  const store = await StateStore.open({ path, clock, log: { warn } });
  cleanUp(() => store.close());
  return { store, warnings };
}

function plus(by = 1): KeyChange {
  const change: KeyChange = {};
  addTo(change, 'requests', by);
  return change;
}

const onDisk = async (path: string) => JSON.parse(await readFile(path, 'utf8'));
const requestsOnDisk = async (path: string, label = 'k') => (await onDisk(path)).keys[label]?.request_count;
const eventually = (check: () => unknown) => vi.waitFor(check, { timeout: 10_000, interval: 20 });

afterEach(() => {
  vi.useRealTimers();
});

describe('a store', () => {
  it('begins empty without a file, and makes none by reading', async () => {
    const path = join(await newPath(), 'deep', 'state.json');
    const { store, warnings } = await open(path);
    expect(store.state.keys.size).toBe(0);
    expect(store.keyState('k')).toEqual(newKeyState());
    expect(store.keyState('k')).toBe(store.keyState('k'));
    await store.close();
    await expect(stat(dirname(path))).rejects.toMatchObject({ code: 'ENOENT' });
    expect(warnings).toEqual([]);
  });

  it.skipIf(process.platform === 'win32')('writes a file for its owner only, in a folder for its owner only', async () => {
    const path = join(await newPath(), 'state.json');
    const { store } = await open(path);
    store.changeKey('k', plus());
    await store.save();
    expect([(await stat(path)).mode & 0o777, (await stat(dirname(path))).mode & 0o777]).toEqual([0o600, 0o700]);
  });

  it('shows a change at once and has it on disk after a save', async () => {
    const path = await newPath();
    const { store } = await open(path);
    const key = store.keyState('k');
    store.changeKey('k', { ...plus(3), cooldown: { until: Date.UTC(2026, 1, 2), reason: 'rate' } });
    expect(key).toMatchObject({ requests: 3, cooldown: { reason: 'rate' } });
    await store.save();
    const { store: other } = await open(path);
    expect(other.state.keys.get('k')).toEqual(key);
    expect(await readdir(dirname(path))).toEqual(['state.json']);
  });

  it('does not write when there is nothing to save', async () => {
    const path = await newPath();
    const { store } = await open(path);
    store.keyState('k');
    await store.save();
    await store.close();
    expect(await readdir(dirname(path))).toEqual([]);
  });

  it('keeps the objects it gave out, whatever others write', async () => {
    const path = await newPath();
    const [{ store: one }, { store: two }] = [await open(path), await open(path)];
    const key = one.keyState('k');
    two.changeKey('k', plus(5));
    await two.save();
    one.changeKey('k', plus(1));
    await one.save();
    expect(one.keyState('k')).toBe(key);
    expect(key.requests).toBe(6);
  });

  it('keeps what it does not know of a file, also of a newer one', async () => {
    const path = await newPath();
    await writeFile(path, '{"schema_version":7,"new":{"a":1},"keys":{"k":{"request_count":4,"tags":["x"]}}}');
    const { store } = await open(path);
    store.changeKey('k', plus());
    await store.save();
    expect(await onDisk(path)).toMatchObject({ new: { a: 1 }, keys: { k: { request_count: 5, tags: ['x'] } } });
  });
});

describe('several stores on one file', () => {
  it('lose nothing over hundreds of changes and saves in any order', async () => {
    // Who, on which key, whether by the short way of requests, whether with a save: one of three.
    const deed = fc.tuple(fc.nat(1), fc.constantFrom('a', 'b'), fc.boolean(), fc.nat(2));
    const deeds = fc.array(deed, { minLength: 100, maxLength: 150 });
    await fc.assert(
      fc.asyncProperty(deeds, async (all) => {
        const path = await newPath();
        const stores = [(await open(path)).store, (await open(path)).store];
        const saves: Promise<void>[] = [];
        for (const [who, label, isRequest, save] of all) {
          if (isRequest) stores[who]?.countRequest(label, Date.now());
          else stores[who]?.changeKey(label, plus());
          if (save === 0) saves.push((stores[who] as StateStore).save());
          if (save === 0) await setImmediate();
        }
        await Promise.all(saves);
        await Promise.all(stores.map((store) => store.close()));
        for (const label of ['a', 'b']) {
          const expected = all.filter(([, of]) => of === label).length;
          expect((await requestsOnDisk(path, label)) ?? 0).toBe(expected);
        }
      }),
      { numRuns: 6 },
    );
  });

  it('lose nothing when one of them counts down what the other counts up', async () => {
    const path = await newPath();
    await writeFile(path, JSON.stringify({ keys: { k: { error_429: 3 } } }));
    const [{ store: one }, { store: two }] = [await open(path), await open(path)];
    const [down, up]: [KeyChange, KeyChange] = [{}, {}];
    takeOneOff(down, 'errors429');
    addTo(up, 'errors429', 2);
    one.changeKey('k', down);
    two.changeKey('k', up);
    await Promise.all([one.save(), two.save()]);
    expect((await onDisk(path)).keys.k.error_429).toBe(4);
  });

  it('lose nothing over four processes', async () => {
    const path = await newPath();
    const children = Array.from({ length: 4 }, () => startChild('store-child.ts', [path, '150']));
    for (const child of children) expect(await child.ended).toMatchObject({ output: 'done\n', code: 0 });
    const { keys } = await onDisk(path);
    expect(keys.shared.request_count).toBe(600);
    for (const { process } of children) expect(keys[`own-${process.pid}`].request_count).toBe(150);
    expect(await readdir(dirname(path))).toEqual(['state.json']);
  });

  it.skipIf(process.platform === 'win32')('leave a readable file when a writer is killed at any instant', async () => {
    const path = await newPath();
    let before = 0;
    for (let n = 0; n < 3; n++) {
      const child = startChild('store-child.ts', [path, 'forever']);
      expect(await child.firstLine).toBe('began');
      for (let turn = 0; turn < n * 40; turn++) await setImmediate();
      child.process.kill('SIGKILL');
      await child.ended;
      const after = await requestsOnDisk(path, 'shared');
      expect(after).toBeGreaterThan(before);
      before = after;
    }
    // The next writer tidies up: neither locks nor half-written files stay.
    const { store } = await open(path);
    store.changeKey('k', plus());
    await store.save();
    expect(await readdir(dirname(path))).toEqual(['state.json']);
  });

  it('tell two versions apart that differ in nothing but a digit', async () => {
    const path = await newPath();
    const { store } = await open(path);
    store.changeKey('k', plus(10));
    await store.save();
    const { atime, mtime } = await stat(path);
    await writeFile(path, (await readFile(path, 'utf8')).replace('"request_count": 10', '"request_count": 20'));
    await utimes(path, atime, mtime);
    store.changeKey('k', plus());
    await store.save();
    expect(await requestsOnDisk(path)).toBe(21);
  });
});

describe('a change by somebody else', () => {
  it('is noticed by the watcher', async () => {
    const path = await newPath();
    const [{ store: proxy }, { store: command }] = [await open(path), await open(path)];
    const noticed = new Promise<void>((resolve) => proxy.startWatching(20, resolve));
    command.change({ keys: new Map(), activeKey: { label: 'b', index: 1 }, autoRotate: true });
    await command.save();
    await noticed;
    expect(proxy.state).toMatchObject({ activeKey: 'b', activeIndex: 1, autoRotate: true });
  });

  it('is told of also when a save comes upon it first', async () => {
    const path = await newPath();
    const [{ store: proxy }, { store: command }] = [await open(path), await open(path)];
    const onForeignChange = vi.fn();
    proxy.startWatching(3_600_000, onForeignChange);
    proxy.changeKey('k', plus());
    await proxy.save();
    expect(onForeignChange).not.toHaveBeenCalled();
    command.changeKey('k', { block: { until: null, reason: 'banned' } });
    await command.save();
    proxy.changeKey('k', plus());
    await proxy.save();
    expect(onForeignChange).toHaveBeenCalledTimes(1);
  });

  it('is not its own change', async () => {
    const path = await newPath();
    const { store } = await open(path);
    const onForeignChange = vi.fn();
    store.startWatching(5, onForeignChange);
    for (let n = 0; n < 10; n++) {
      store.changeKey('k', plus());
      await store.save();
    }
    // One that is foreign, so that the watcher has looked at all of them.
    await writeFile(path, '{"keys":{"k":{"request_count":1}}}');
    await eventually(() => expect(store.keyState('k').requests).toBe(1));
    expect(onForeignChange).toHaveBeenCalledTimes(1);
  });

  it('keeps what is not saved yet on top', async () => {
    const path = await newPath();
    await writeFile(path, '{"keys":{"k":{"request_count":5}}}');
    const { store } = await open(path);
    const noticed = new Promise<void>((resolve) => store.startWatching(10, resolve));
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    store.changeKey('k', plus(2));
    vi.useRealTimers();
    await writeFile(path, '{"keys":{"k":{"request_count":50},"new":{"error_5xx":1}},"rotation_index":4}');
    await noticed;
    expect(store.state).toMatchObject({ rotationIndex: 4 });
    expect([store.keyState('k').requests, store.keyState('new').errors5xx]).toEqual([52, 1]);
    await store.close();
    expect(await requestsOnDisk(path)).toBe(52);
  });

  it('that takes a key out of the file begins the key anew', async () => {
    const path = await newPath();
    await writeFile(path, '{"keys":{"k":{"error_401":1}}}');
    const { store } = await open(path);
    const key = store.keyState('k');
    const noticed = new Promise<void>((resolve) => store.startWatching(10, resolve));
    await writeFile(path, '{"keys":{}}');
    await noticed;
    expect(key).toEqual(newKeyState());
  });

  it('is not told of after closing', async () => {
    const path = await newPath();
    const { store } = await open(path);
    const onForeignChange = vi.fn();
    store.startWatching(1, onForeignChange);
    await store.close();
    await writeFile(path, '{"rotation_index":4}');
    store.changeKey('k', plus());
    await store.save();
    expect(onForeignChange).not.toHaveBeenCalled();
  });
});

describe('a file that is no state', () => {
  it('is moved aside when opened, and a fresh state begins', async () => {
    const path = await newPath();
    await writeFile(path, '{"keys": tor');
    const { store, warnings } = await open(path, () => Date.UTC(2026, 1, 2, 9));
    expect(store.state.keys.size).toBe(0);
    expect(await readFile(`${path}.corrupt.20260202T090000Z`, 'utf8')).toBe('{"keys": tor');
    expect(warnings).toEqual([
      { message: expect.stringContaining('moved aside'), details: { file: path, moved_to: `${path}.corrupt.20260202T090000Z` } },
    ]);
    store.changeKey('k', plus());
    await store.save();
    expect((await readdir(dirname(path))).sort()).toEqual(['state.json', 'state.json.corrupt.20260202T090000Z']);
  });

  it('that appears under a running store costs nothing of what it knows', async () => {
    const path = await newPath();
    const { store } = await open(path);
    store.changeKey('k', plus(4));
    await store.save();
    await writeFile(path, '');
    store.changeKey('k', plus(1));
    await store.save();
    expect(await requestsOnDisk(path)).toBe(5);
    expect((await readdir(dirname(path))).filter((name) => name.includes('.corrupt.'))).toHaveLength(1);
  });

  it('is moved aside by the watcher, too, and by one of two stores only', async () => {
    const path = await newPath();
    const [one, two] = [await open(path), await open(path)];
    for (const { store } of [one, two]) store.startWatching(10, () => undefined);
    await writeFile(path, 'torn');
    await eventually(async () => expect(await readdir(dirname(path))).toEqual([expect.stringContaining('.corrupt.')]));
    one.store.changeKey('k', plus());
    await one.store.save();
    await eventually(() => expect(two.store.keyState('k').requests).toBe(1));
    expect([...one.warnings, ...two.warnings].filter(({ message }) => message.includes('moved aside'))).toHaveLength(1);
  });
});

describe('an obstacle', () => {
  it('a deleted file is written again with all that is known', async () => {
    const path = await newPath();
    await writeFile(path, '{"note":"mine","keys":{"k":{"request_count":5}}}');
    const { store, warnings } = await open(path);
    await rm(path);
    store.changeKey('other', plus());
    await store.save();
    expect(await onDisk(path)).toMatchObject({ note: 'mine', keys: { k: { request_count: 5 }, other: { request_count: 1 } } });
    expect(warnings).toEqual([]);
  });

  it('a deleted folder is made again', async () => {
    const path = join(await newPath(), 'state.json');
    const { store } = await open(path);
    store.changeKey('k', plus());
    await store.save();
    await rm(dirname(path), { recursive: true });
    store.changeKey('k', plus());
    await store.save();
    expect(await requestsOnDisk(path)).toBe(2);
  });

  it('a folder that cannot be had is warned of once a minute; changes go on and are saved when it is there', async () => {
    const obstacle = await newPath();
    await writeFile(obstacle, 'a file where the folder should be');
    const path = join(obstacle, 'state.json');
    let now = 1_000_000;
    const { store, warnings } = await open(path, () => now);
    const trySave = () => expect(store.save()).rejects.toBeInstanceOf(Error);
    for (let n = 0; n < 200; n++) store.changeKey('k', plus(), true);
    await eventually(() => expect(warnings).toHaveLength(1));
    expect(warnings[0]).toMatchObject({ details: { file: path, reason: expect.stringMatching(/^E[A-Z]+$/) } });
    // The next tries come by themselves, a second apart.
    store.changeKey('k', plus(), true);
    await trySave();
    now += 59_999;
    store.changeKey('k', plus(), true);
    await trySave();
    expect(warnings).toHaveLength(1);
    now += 1;
    store.changeKey('k', plus(), true);
    await eventually(() => expect(warnings).toHaveLength(2));
    expect(store.keyState('k').requests).toBe(203);
    await rm(obstacle);
    await eventually(async () => expect(await requestsOnDisk(path)).toBe(203));
    expect(warnings).toHaveLength(2);
  });

  it('a folder in the place of the file stops neither changes nor the watcher, and both heal', async () => {
    const path = await newPath();
    const { store, warnings } = await open(path, () => 5);
    store.changeKey('k', plus());
    await store.save();
    store.startWatching(10, () => undefined);
    await rename(path, `${path}.away`);
    await mkdir(path);
    store.changeKey('k', plus(), true);
    await eventually(() => expect(warnings).toEqual([expect.objectContaining({ details: { file: path, reason: 'EISDIR' } })]));
    await rm(path, { recursive: true });
    await rename(`${path}.away`, path);
    await eventually(async () => expect(await requestsOnDisk(path)).toBe(2));
    expect(warnings).toHaveLength(1);
  });

  it('a file that cannot be replaced costs nothing of what waits, and what others write is taken over all the same', async () => {
    // Long enough that the lock can have its name, but a temporary file cannot.
    const path = join(await temporaryFolder(), `${'x'.repeat(245)}.json`);
    await writeFile(path, '{"keys":{"k":{"request_count":5}}}');
    const { store } = await open(path);
    store.changeKey('k', plus(2));
    for (const [onDisk, expected] of [
      [5, 7],
      [30, 32],
      [30, 32],
    ] as const) {
      await writeFile(path, `{"keys":{"k":{"request_count":${onDisk}}}}`);
      await expect(store.save()).rejects.toMatchObject({ code: 'ENAMETOOLONG' });
      expect(store.keyState('k').requests).toBe(expected);
    }
  });

  it('a clock set back does not silence the warning for long', async () => {
    const path = join(await newPath(), 'x');
    await writeFile(dirname(path), '');
    let now = Date.UTC(2026, 0);
    const { store, warnings } = await open(path, () => now);
    store.changeKey('k', plus(), true);
    await eventually(() => expect(warnings).toHaveLength(1));
    now = 0;
    await eventually(() => expect(warnings).toHaveLength(2));
  });

  it('a folder in the place of the file cannot be opened, which is said', async () => {
    const path = await newPath();
    await mkdir(path);
    await expect(open(path)).rejects.toMatchObject({ code: 'state_unusable', message: expect.stringContaining('EISDIR') });
  });

  it('half-written files of killed writers are removed, others are not', async () => {
    const path = await newPath();
    const others = ['other.json.1.abcdefabcdef.tmp', 'state.json.bak', 'state.json.corrupt.x', 'state.json.x.tmp'];
    for (const name of [...others, 'state.json.4711.abcdefabcdef.tmp']) await writeFile(join(dirname(path), name), '');
    const { store } = await open(path);
    store.changeKey('k', plus());
    await store.save();
    expect((await readdir(dirname(path))).sort()).toEqual([...others, 'state.json'].sort());
  });
});

describe('the moment of a save', () => {
  /** Lets the disk work without letting time pass. */
  async function untilSaved(path: string, requests: number) {
    for (let n = 0; n < 100_000; n++) {
      await setImmediate();
      if ((await requestsOnDisk(path).catch(() => null)) === requests) return;
    }
    throw new Error('not saved');
  }

  it('is at once for what is urgent, with all that waited', async () => {
    const path = await newPath();
    const { store } = await open(path);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    store.changeKey('k', plus());
    store.changeKey('k', plus(), true);
    vi.advanceTimersByTime(0);
    await untilSaved(path, 2);
  });

  it('is a quarter of a second later for counters, whatever comes meanwhile', async () => {
    const path = await newPath();
    const { store } = await open(path, () => 0);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    for (let n = 0; n < 249; n++) {
      store.changeKey('k', plus());
      vi.advanceTimersByTime(1);
    }
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(1);
    expect(vi.getTimerCount()).toBe(0);
    await untilSaved(path, 249);
  });

  it('is a second later at most when the disk is slow', async () => {
    const path = await newPath();
    let now = 0;
    const { store } = await open(path, () => {
      now += 700;
      return now;
    });
    store.changeKey('k', plus());
    await store.save();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    store.changeKey('k', plus());
    vi.advanceTimersByTime(999);
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(1);
    await untilSaved(path, 2);
  });

  it('is the closing for what is left', async () => {
    const path = await newPath();
    const { store } = await open(path);
    store.changeKey('k', plus());
    await store.close();
    expect(await requestsOnDisk(path)).toBe(1);
  });

  it('that is under way is waited for by the closing', async () => {
    const path = await newPath();
    const { store } = await open(path);
    // Many keys, so that writing takes a while.
    for (let n = 0; n < 5_000; n++) store.changeKey(`k${n}`, plus());
    const saving = store.save();
    while (!(await readdir(dirname(path))).some((name) => name.endsWith('.tmp'))) await setImmediate();
    await store.close();
    expect(await requestsOnDisk(path, 'k4999')).toBe(1);
    expect(await readdir(dirname(path))).toEqual(['state.json']);
    await saving;
  });

  it('that fails at the closing is said, and closing goes on', async () => {
    const obstacle = await newPath();
    await writeFile(obstacle, '');
    const { store, warnings } = await open(join(obstacle, 'state.json'));
    store.changeKey('k', plus());
    await store.close();
    expect(warnings).toEqual([
      { message: 'The last changes of the state could not be saved.', details: { reason: expect.any(String) } },
    ]);
  });
});
