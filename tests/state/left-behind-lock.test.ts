import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { withFileLock } from '../../src/state/file-lock.ts';
import { newHolderNote } from '../../src/state/lock-holder.ts';
import { temporaryFolder } from './children.ts';

it('a lock this process could not give back, because its folder was out of reach, is taken again at once', async () => {
  const path = join(await temporaryFolder(), 'state.json');
  await mkdir(`${path}.lock`);
  await writeFile(join(`${path}.lock`, newHolderNote()), '');
  expect(await withFileLock(path, async () => 'held', { waitMs: 500 })).toBe('held');
  await expect(readdir(`${path}.lock`)).rejects.toMatchObject({ code: 'ENOENT' });
});

it('a lock this process holds is not taken for one left behind', async () => {
  const path = join(await temporaryFolder(), 'state.json');
  await withFileLock(path, async () => {
    await expect(withFileLock(path, async () => 'held', { waitMs: 100 })).rejects.toMatchObject({ code: 'state_unusable' });
  });
});

it('waiters that see the folder empty at the moment it is given back leave the next one’s alone', async () => {
  const path = join(await temporaryFolder(), 'state.json');
  // Such as in a process that has run for a long time.
  const now = () => performance.now() + 1_000_000;
  let inside = 0;
  let done = 0;
  const worker = async () => {
    for (let round = 0; round < 40; round++) {
      await withFileLock(
        path,
        async () => {
          inside += 1;
          expect(inside).toBe(1);
          await Promise.resolve();
          inside -= 1;
          done += 1;
        },
        { waitMs: 20_000, now },
      );
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  expect(done).toBe(16 * 40);
});
