import { mkdir, readdir, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { withFileLock } from '../../src/state/file-lock.ts';
import { isDead, newHolderNote, parseHolderNote } from '../../src/state/lock-holder.ts';
import { soon } from '../support/soon.ts';
import { startChild, temporaryFolder } from './children.ts';

const onUnix = it.skipIf(process.platform === 'win32');
const onLinux = it.skipIf(process.platform !== 'linux');
const NOBODY = 2 ** 31 - 2;

async function newPath(): Promise<{ folder: string; path: string; lock: string }> {
  const folder = await temporaryFolder();
  const path = join(folder, 'state.json');
  return { folder, path, lock: `${path}.lock` };
}

/** A monotonic clock that leaps each time it is asked, so that long waits are short. */
function leaping(stepMs: number): () => number {
  let now = 0;
  return () => {
    now += stepMs;
    return now;
  };
}

describe('a file lock', () => {
  it('gives back what the work gives, and leaves nothing behind', async () => {
    const { folder, path, lock } = await newPath();
    expect(await withFileLock(path, async () => readdir(lock))).toHaveLength(1);
    expect(await readdir(folder)).toEqual([]);
  });

  onUnix("can be written into under a umask that takes its maker's rights, too", async () => {
    const { path, lock } = await newPath();
    const umask = process.umask(0o277);
    try {
      expect(await withFileLock(path, async () => ((await stat(lock)).mode & 0o777).toString(8))).toBe('700');
    } finally {
      process.umask(umask);
    }
  });

  it('is free again after work that failed, whose error is passed on', async () => {
    const { folder, path } = await newPath();
    const failing = withFileLock(path, async () => {
      throw new Error('disk full');
    });
    await expect(failing).rejects.toThrow('disk full');
    expect(await withFileLock(path, async () => 'next', { waitMs: 0 })).toBe('next');
    expect(await readdir(folder)).toEqual([]);
  });

  it('lets one in at a time within a process', async () => {
    const { path } = await newPath();
    let inside = 0;
    let most = 0;
    const work = async () => {
      inside += 1;
      most = Math.max(most, inside);
      for (let n = 0; n < 5; n++) await setImmediate();
      inside -= 1;
    };
    await Promise.all(Array.from({ length: 12 }, () => withFileLock(path, work, { waitMs: 20_000 })));
    expect(most).toBe(1);
  });

  it('says what is wrong when the folder is missing', async () => {
    const { folder } = await newPath();
    await expect(withFileLock(join(folder, 'no', 'state.json'), async () => 1)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('lets one in at a time over processes, also when holders die inside', async () => {
    const { folder, path } = await newPath();
    const steady = ['a', 'b'].map(() => startChild('lock-child.ts', ['rounds', path, '60']));
    const dying = ['5', '20'].map((after) => startChild('lock-child.ts', ['rounds', path, '60', after]));
    for (const child of steady) expect(await child.ended).toMatchObject({ output: 'done\n', code: 0 });
    for (const child of dying) expect(await child.ended).toMatchObject({ output: '', signal: 'SIGKILL' });
    // Whoever died last may have left its lock; the next one takes it over.
    await withFileLock(path, async () => undefined);
    expect(await readdir(folder)).toEqual([]);
  });

  onUnix('is taken over at once from a process that was killed', async () => {
    const { folder, path } = await newPath();
    const holder = startChild('lock-child.ts', ['hold', path]);
    expect(await holder.firstLine).toBe('held');
    holder.process.kill('SIGKILL');
    await holder.ended;
    const started = performance.now();
    expect(await withFileLock(path, async () => 'mine')).toBe('mine');
    expect(performance.now() - started).toBeLessThan(soon(1000));
    expect(await readdir(folder)).toEqual([]);
  });

  onUnix('is taken over by one of many waiters', async () => {
    const { path } = await newPath();
    const holder = startChild('lock-child.ts', ['hold', path]);
    await holder.firstLine;
    let inside = 0;
    const waiters = Array.from({ length: 8 }, () =>
      withFileLock(path, async () => {
        inside += 1;
        await setImmediate();
        expect(inside).toBe(1);
        inside -= 1;
      }),
    );
    holder.process.kill('SIGKILL');
    await Promise.all(waiters);
  });

  onUnix('is not taken from a process that is stopped, however long', async () => {
    const { path, lock } = await newPath();
    const holder = startChild('lock-child.ts', ['hold', path]);
    await holder.firstLine;
    holder.process.kill('SIGSTOP');
    const waiting = withFileLock(path, async () => 'robbed', { waitMs: 3_600_000, now: leaping(100_000) });
    await expect(waiting).rejects.toMatchObject({
      code: 'state_unusable',
      message: `The lock ${lock} is held by process ${holder.process.pid} on ${hostname()}.`,
    });
    holder.process.kill('SIGKILL');
  });

  it('is not taken because the clock has jumped', async () => {
    const { path } = await newPath();
    const real = Date.now();
    vi.useFakeTimers({ toFake: ['Date'], now: real });
    try {
      await withFileLock(path, async () => {
        for (const now of [real + 60 * 366 * 86_400_000, 0]) {
          vi.setSystemTime(now);
          await expect(withFileLock(path, async () => 'robbed', { waitMs: 100 })).rejects.toMatchObject({
            code: 'state_unusable',
          });
        }
      });
      expect(await withFileLock(path, async () => 'free', { waitMs: 0 })).toBe('free');
    } finally {
      vi.useRealTimers();
    }
  });

  it('without a holder’s note is given a quarter of a second, then taken', async () => {
    const { folder, path, lock } = await newPath();
    await mkdir(lock);
    const early = withFileLock(path, async () => 'early', { waitMs: 200, now: leaping(5) });
    await expect(early).rejects.toThrow(/held by an unknown process/);
    expect((await stat(lock)).isDirectory()).toBe(true);
    expect(await withFileLock(path, async () => 'taken', { waitMs: 10_000, now: leaping(20) })).toBe('taken');
    expect(await readdir(folder)).toEqual([]);
  });

  it('without a note that another took meanwhile gets its time anew', async () => {
    const { path, lock } = await newPath();
    await mkdir(lock);
    let now = 0;
    let asked = 0;
    const clock = () => {
      asked += 1;
      now += 20;
      return now;
    };
    const waiting = withFileLock(path, async () => now, { waitMs: 60_000, now: clock });
    while (asked < 8) await setImmediate();
    await rmdir(lock);
    await mkdir(lock);
    const replacedAt = now;
    expect(await waiting).toBeGreaterThan(replacedAt + 250);
  });

  it('of a dead process is taken over whatever else lies in the folder', async () => {
    const { folder, path, lock } = await newPath();
    await mkdir(lock);
    await writeFile(join(lock, `${NOBODY}.1.aaaaaaaaaaaa.${encodeURIComponent(hostname())}`), '');
    await writeFile(join(lock, `${NOBODY}.1.bbbbbbbbbbbb.${encodeURIComponent(hostname())}`), '');
    expect(await withFileLock(path, async () => 'mine', { waitMs: 2_000 })).toBe('mine');
    expect(await readdir(folder)).toEqual([]);
  });

  it('of a process on another host is left alone', async () => {
    const { path, lock } = await newPath();
    await mkdir(lock);
    await writeFile(join(lock, `${NOBODY}.1.aaaaaaaaaaaa.else%2Fwhere`), '');
    const waiting = withFileLock(path, async () => 1, { waitMs: 600_000, now: leaping(50_000) });
    await expect(waiting).rejects.toThrow(/process 2147483646 on else\/where/);
  });

  it('that somebody removed by hand does no harm', async () => {
    const { folder, path, lock } = await newPath();
    await withFileLock(path, () => rm(lock, { recursive: true }));
    expect(await withFileLock(path, async () => 'again', { waitMs: 0 })).toBe('again');
    expect(await readdir(folder)).toEqual([]);
  });

  it('that is a file ends in an error that says what to do', async () => {
    const { path, lock } = await newPath();
    await writeFile(lock, '');
    const waiting = withFileLock(path, async () => 1, { waitMs: 60_000, now: leaping(5_000) });
    await expect(waiting).rejects.toMatchObject({ code: 'state_unusable', hint: expect.stringContaining('remove the lock') });
  });
});

describe('the note of a holder', () => {
  it('names this process, which is alive, and is another each time', () => {
    const [one, two] = [newHolderNote(), newHolderNote()];
    expect(one).not.toBe(two);
    expect(parseHolderNote(one)).toMatchObject({ pid: process.pid, host: hostname() });
    expect(isDead(parseHolderNote(one) as NonNullable<ReturnType<typeof parseHolderNote>>)).toBe(false);
  });

  it.each([
    '',
    'x',
    '0.1.aaaaaaaaaaaa.h',
    '-5.1.aaaaaaaaaaaa.h',
    '5.1.zz.h',
    '5.x.aaaaaaaaaaaa.h',
    '5.1.aaaaaaaaaaaa.%E0',
    '.DS_Store',
  ])('%j is none', (name) => {
    expect(parseHolderNote(name)).toBeNull();
  });

  it('of no process is a dead one’s, on this host only', () => {
    expect(isDead({ pid: NOBODY, started: '', host: hostname() })).toBe(true);
    expect(isDead({ pid: NOBODY, started: '', host: `${hostname()}x` })).toBe(false);
  });

  onLinux('of a later process with the same pid is a dead one’s', () => {
    expect(isDead({ pid: process.pid, started: '1', host: hostname() })).toBe(true);
    expect(isDead({ pid: process.pid, started: '', host: hostname() })).toBe(false);
  });
});
