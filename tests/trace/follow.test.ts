import { appendFile, mkdtemp, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RotatingFile } from '../../src/files/rotating-file.ts';
import { TraceFollower } from '../../src/trace/follow.ts';
import { cleanUp } from '../support/cleanup.ts';
import { linesOf, traceEvent, traceEvents } from './event-fixture.ts';

const folder = await mkdtemp(join(tmpdir(), 'kmi-follow-'));
cleanUp(() => rm(folder, { recursive: true }));
let files = 0;
const newPath = () => join(folder, `trace-${++files}.jsonl`);

const idsOf = (events: readonly { request_id: string }[]) => events.map(({ request_id }) => Number.parseInt(request_id, 16));

async function follow(path: string): Promise<TraceFollower> {
  const follower = await TraceFollower.open(path);
  cleanUp(() => follower.close());
  return follower;
}

it('only what is written after the start is told, once', async () => {
  const path = newPath();
  await writeFile(path, linesOf(traceEvents(5)));
  const follower = await follow(path);
  expect(await follower.next()).toEqual([]);
  await appendFile(path, linesOf([traceEvent(5), traceEvent(6)]));
  expect(await follower.next()).toEqual([traceEvent(5), traceEvent(6)]);
  expect(await follower.next()).toEqual([]);
});

it('a file that is not there yet is followed from its first line', async () => {
  const path = newPath();
  const follower = await follow(path);
  expect(await follower.next()).toEqual([]);
  await writeFile(path, linesOf([traceEvent(1)]));
  expect(idsOf(await follower.next())).toEqual([1]);
});

it('a line that is half written is told when it is whole, even when it was half there at the start', async () => {
  const path = newPath();
  const line = linesOf([traceEvent(7, { prompt_hint: '你好，世界' })]);
  const bytes = Buffer.from(line);
  for (let cut = 1; cut < bytes.length; cut += 37) {
    await writeFile(path, Buffer.concat([Buffer.from(linesOf([traceEvent(1)])), bytes.subarray(0, cut)]));
    const follower = await TraceFollower.open(path);
    expect(await follower.next()).toEqual([]);
    await appendFile(path, bytes.subarray(cut));
    expect(await follower.next()).toEqual([traceEvent(7, { prompt_hint: '你好，世界' })]);
    await follower.close();
  }
});

it('lines that are torn or foreign are passed over', async () => {
  const path = newPath();
  const follower = await follow(path);
  await writeFile(path, `{"ts":"x\n\nhello\n[1]\n${linesOf([traceEvent(3)])}`);
  expect(idsOf(await follower.next())).toEqual([3]);
});

it('a line of megabytes is passed over and does not stop what follows', async () => {
  const path = newPath();
  const follower = await follow(path);
  await writeFile(path, `${'x'.repeat(3_000_000)}\n${linesOf([traceEvent(4)])}`);
  expect(idsOf(await follower.next())).toEqual([4]);
});

it('nothing is lost or told twice through several rotations between two looks', async () => {
  const path = newPath();
  await writeFile(path, linesOf([traceEvent(0)]));
  const follower = await follow(path);
  for (let n = 1; n <= 3; n++) {
    await appendFile(path, linesOf([traceEvent(n)]));
    await rename(`${path}.1`, `${path}.2`).catch(() => undefined);
    await rename(path, `${path}.1`);
    await writeFile(path, linesOf([traceEvent(n + 10)]));
    if (n === 1) await appendFile(path, linesOf([traceEvent(20)]));
  }
  // The file that was open is gone by now (`.2` was replaced); what is certain is what is in place and not yet told.
  const told = idsOf(await follower.next());
  expect(told.at(-1)).toBe(13);
  expect(new Set(told).size).toBe(told.length);
});

it('a follower behind a rotating writer tells every line in order', { timeout: 60_000 }, async () => {
  const plan = fc.array(fc.record({ lines: fc.integer({ min: 1, max: 6 }), look: fc.boolean() }), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(plan, async (steps) => {
      const path = newPath();
      const size = Buffer.byteLength(linesOf([traceEvent(0)]));
      const writer = new RotatingFile({ path, maxBytes: size * 9, backups: 40 });
      const follower = await TraceFollower.open(path);
      const told: number[] = [];
      let written = 0;
      for (const { lines, look } of steps) {
        await writer.append(linesOf(Array.from({ length: lines }, () => traceEvent(written++))));
        if (look) told.push(...idsOf(await follower.next()));
      }
      told.push(...idsOf(await follower.next()));
      await writer.close();
      await follower.close();
      // Whatever was rotated before the first look is history.
      const firstLook = told[0] ?? 0;
      expect(told).toEqual(Array.from({ length: written - firstLook }, (_, n) => firstLook + n));
    }),
    { numRuns: 60 },
  );
});

it('a file that is emptied or deleted and begun anew is read from its start', async () => {
  const path = newPath();
  await writeFile(path, linesOf(traceEvents(4)));
  const follower = await follow(path);
  await truncate(path, 0);
  expect(await follower.next()).toEqual([]);
  await appendFile(path, linesOf([traceEvent(8)]));
  expect(idsOf(await follower.next())).toEqual([8]);
  await rm(path);
  expect(await follower.next()).toEqual([]);
  await writeFile(path, linesOf([traceEvent(9)]));
  expect(idsOf(await follower.next())).toEqual([9]);
  expect(await readFile(path, 'utf8')).toBe(linesOf([traceEvent(9)]));
});
