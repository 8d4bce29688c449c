import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { zonedStamp } from '../../src/core/text/zoned-time.ts';
import { readTail } from '../../src/daemon/log-tail.ts';
import { cleanUp } from '../support/cleanup.ts';

const NOW = Date.UTC(2026, 10, 20, 12);
const ALL = { count: Number.POSITIVE_INFINITY, since: null, zone: 'UTC' };

async function temporaryLog(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kmi-tail-'));
  cleanUp(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'x.log');
}

const at = (minutes: number) => JSON.stringify({ ts: zonedStamp(NOW + minutes * 60_000, 'UTC'), message: `${minutes}` });

test('the newest lines, whatever the length of file and lines', async () => {
  const path = await temporaryLog();
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.string({ unit: fc.constantFrom('a', 'é', '😀', ' '), maxLength: 9 }).map((text) => text.repeat(4000)),
        {
          maxLength: 12,
        },
      ),
      fc.nat(14),
      async (lines, count) => {
        await writeFile(path, lines.map((line) => `${line}\n`).join(''));
        expect((await readTail(path, { ...ALL, count }))?.lines).toEqual(count === 0 ? [] : lines.slice(-count));
      },
    ),
    { numRuns: 40 },
  );
});

test('a last line without its end is told apart, and following goes on before it', async () => {
  const path = await temporaryLog();
  await writeFile(path, 'one\ntwo\nhalf');
  expect(await readTail(path, ALL)).toEqual({ lines: ['one', 'two'], rest: 'half', position: 8 });
  await writeFile(path, 'half');
  expect(await readTail(path, ALL)).toEqual({ lines: [], rest: 'half', position: 0 });
});

test('with --since rotated files are read as far back as they reach', async () => {
  const path = await temporaryLog();
  await writeFile(`${path}.3`, `${at(-400)}\n`);
  await writeFile(`${path}.2`, `${at(-300)}\n${at(-90)}\n`);
  await writeFile(`${path}.1`, `${at(-50)}\n`);
  await writeFile(path, `${at(-20)}\n    at a stack\n`);
  const tail = await readTail(path, { ...ALL, since: NOW - 100 * 60_000 });
  expect(tail?.lines).toEqual([at(-90), at(-50), at(-20), '    at a stack']);
  expect((await readTail(path, { ...ALL, since: NOW - 30 * 60_000 }))?.lines).toEqual([at(-20), '    at a stack']);
  expect((await readTail(path, { ...ALL, since: NOW - 1000 * 60_000, count: 2 }))?.lines).toEqual([at(-20), '    at a stack']);
});

test('what is no file has no tail', async () => {
  const path = await temporaryLog();
  expect(await readTail(path, ALL)).toBeNull();
  expect(await readTail(join(path, 'below'), ALL)).toBeNull();
  await mkdir(path);
  expect(await readTail(path, ALL)).toBeNull();
});
