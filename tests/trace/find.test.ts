import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { findRequests } from '../../src/trace/find.ts';
import { cleanUp } from '../support/cleanup.ts';
import { linesOf, traceEvent, traceEvents } from './event-fixture.ts';

const folder = await mkdtemp(join(tmpdir(), 'kmi-find-'));
cleanUp(() => rm(folder, { recursive: true }));

it('a request is found by the beginning of its id, also in rotated files', async () => {
  const path = join(folder, 'rotated.jsonl');
  await writeFile(path, linesOf(traceEvents(20)));
  await writeFile(`${path}.1`, linesOf([traceEvent(0x77)]));
  await writeFile(`${path}.2`, linesOf([traceEvent(0x88)]));
  expect(await findRequests(path, '00000088', 5)).toEqual([traceEvent(0x88)]);
  expect(await findRequests(path, '0000000a', 5)).toEqual([traceEvent(10)]);
  expect(await findRequests(path, '99999999', 5)).toEqual([]);
});

it('the newest are found first, those of the file before those of the rotated ones', async () => {
  const path = join(folder, 'newest.jsonl');
  await writeFile(`${path}.1`, linesOf(traceEvents(8)));
  await writeFile(path, linesOf([traceEvent(8), traceEvent(9)]));
  expect(await findRequests(path, '000000', 4)).toEqual([9, 8, 7, 6].map((n) => traceEvent(n)));
});

it('no more are found than asked for, and none in a trace that is not there', async () => {
  const path = join(folder, 'many.jsonl');
  await writeFile(path, linesOf(traceEvents(50)));
  expect(await findRequests(path, '000000', 3)).toHaveLength(3);
  expect(await findRequests(join(folder, 'none.jsonl'), '000000', 3)).toEqual([]);
});

it('text elsewhere in a line is no id', async () => {
  const path = join(folder, 'text.jsonl');
  await writeFile(path, linesOf([traceEvent(1, { prompt_hint: 'deadbeef' })]));
  expect(await findRequests(path, 'deadbeef', 3)).toEqual([]);
});
