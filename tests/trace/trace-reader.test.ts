import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TraceEvent } from '../../src/core/trace/trace-event.ts';
import { parseTraceLine, readLastEvents } from '../../src/trace/trace-reader.ts';
import { cleanUp } from '../support/cleanup.ts';
import { anEvent, ids, range } from './events.ts';

async function newPath(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kmi-trace-'));
  cleanUp(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'trace.jsonl');
}

const lines = (events: readonly TraceEvent[]) => events.map((event) => `${JSON.stringify(event)}\n`).join('');
const events = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => anEvent(from + n));
const last = async (path: string, count: number) => ids(await readLastEvents(path, count));

describe('the last events', () => {
  it('are none without a file or a folder', async () => {
    const path = await newPath();
    expect([await last(path, 5), await last(join(path, 'no', 'file'), 5).catch((error) => error.code)]).toEqual([[], []]);
  });

  it('are the newest of the file, oldest first', async () => {
    const path = await newPath();
    await writeFile(path, lines(events(0, 10)));
    expect(await readLastEvents(path, 3)).toEqual(events(7, 10));
    expect(await last(path, 0)).toEqual([]);
    expect(await last(path, 99)).toEqual(range(0, 10));
  });

  it('go on into the rotated files as far as needed', async () => {
    const path = await newPath();
    await writeFile(`${path}.3`, lines(events(0, 2)));
    await writeFile(`${path}.2`, lines(events(2, 4)));
    await writeFile(`${path}.1`, lines(events(4, 6)));
    await writeFile(path, lines(events(6, 8)));
    expect(await last(path, 2)).toEqual(range(6, 8));
    expect(await last(path, 3)).toEqual(range(5, 8));
    expect(await last(path, 7)).toEqual(range(1, 8));
    expect(await last(path, 50)).toEqual(range(0, 8));
  });

  it('are found while a rotation is under way, when one name is free', async () => {
    const path = await newPath();
    await writeFile(`${path}.2`, lines(events(0, 2)));
    await writeFile(`${path}.1`, lines(events(2, 4)));
    expect(await last(path, 9)).toEqual(range(0, 4));
    await rename(`${path}.1`, path);
    expect(await last(path, 9)).toEqual(range(0, 4));
  });

  it('are told once when the file is rotated between two reads', async () => {
    const path = await newPath();
    await writeFile(path, lines(events(0, 3)));
    const reading = readLastEvents(path, 99);
    await rename(path, `${path}.1`);
    expect(ids(await reading)).toEqual(range(0, 3));
  });

  it('are whole across blocks, with long lines and characters of several bytes', async () => {
    const path = await newPath();
    const text = '余额不足😀é'.repeat(700);
    const all = Array.from({ length: 60 }, (_, n) => anEvent(n, { prompt_hint: text.slice(0, 10 + n * 97) }));
    await writeFile(path, lines(all));
    expect(await readLastEvents(path, 50)).toEqual(all.slice(10));
    expect(await readLastEvents(path, 100)).toEqual(all);
  });

  it('are the same wherever a block ends', async () => {
    const path = await newPath();
    const sizes = fc.array(fc.integer({ min: 0, max: 100_000 }), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 1, max: 14 }), async (all, count) => {
        const written = all.map((size, n) => anEvent(n, { prompt_hint: 'ж'.repeat(size) }));
        await writeFile(path, lines(written));
        expect(await last(path, count)).toEqual(ids(written.slice(-count)));
      }),
      { numRuns: 30 },
    );
  });

  it('pass over a torn end, empty and foreign lines, and a line of megabytes', async () => {
    const path = await newPath();
    const torn = JSON.stringify(anEvent(9)).slice(0, 50);
    const foreign = `\n\nhello\n{"a":1}\nnull\n[]\n7\n${'x'.repeat(3_000_000)}\n`;
    await writeFile(path, `${lines(events(0, 2))}${foreign}${lines(events(2, 3))}${torn}`);
    expect(await last(path, 5)).toEqual(range(0, 3));
  });

  it('include a last line without its newline', async () => {
    const path = await newPath();
    await writeFile(path, lines(events(0, 2)).trimEnd());
    expect(await last(path, 5)).toEqual(range(0, 2));
  });

  it('of what is no file are an error', async () => {
    const path = await newPath();
    await mkdir(path);
    await expect(readLastEvents(path, 5)).rejects.toMatchObject({ code: 'EISDIR' });
  });
});

describe('a trace line', () => {
  it('of the Python tool has all it says, and nothing where it says nothing', () => {
    const { choice: _, ...python } = anEvent(1, { error_code: 'payment_required', status: 402 });
    expect(parseTraceLine(JSON.stringify(python))).toEqual({ ...python, choice: null });
  });

  it('keeps what was tried and skipped', () => {
    const event = anEvent(1, {
      tried: [
        { key_label: 'a', status: 429, verdict: 'rate' },
        { key_label: 'c', status: null, verdict: 'broken' },
        // As traces told of no answer before.
        { key_label: 'd', status: 503, verdict: 'broken' },
      ],
      skipped: [{ key_label: 'b', reason: 'quota' }],
      dry_run: true,
    });
    expect(parseTraceLine(JSON.stringify(event))).toEqual(event);
  });

  it('keeps tokens and session where it has them', () => {
    const event = anEvent(1, { input_tokens: 12_345, cached_tokens: 0, output_tokens: 7, session: '3f2a9c1d' });
    expect(parseTraceLine(JSON.stringify(event))).toEqual(event);
  });

  it.each<[Record<string, unknown>, Partial<TraceEvent>]>([
    [{ input_tokens: -1, cached_tokens: '9', output_tokens: null, session: 5 }, {}],
    [{ tried: 5, skipped: 'x', dry_run: 'yes' }, {}],
    [{ tried: [null], skipped: [{ key_label: 1, reason: 'x' }] }, {}],
    [
      { prompt_hint: 7, prompt_head: [], method: null },
      { prompt_hint: '', prompt_head: '', method: '' },
    ],
    [
      { latency_ms: 'x', rotation_index: {}, error_code: [1] },
      { latency_ms: 0, rotation_index: 0, error_code: null },
    ],
    [
      { schema_version: 9, choice: 5, key_hash: false },
      { schema_version: 1, choice: null, key_hash: '' },
    ],
  ])('with %j in it can still be shown', (raw, expected) => {
    expect(parseTraceLine(JSON.stringify({ ...anEvent(1), ...raw }))).toEqual({ ...anEvent(1), ...expected });
  });

  it.each(['ts', 'request_id', 'key_label', 'status', 'endpoint'])('without %s is none', (field) => {
    expect(parseTraceLine(JSON.stringify({ ...anEvent(1), [field]: undefined }))).toBeNull();
    expect(parseTraceLine(JSON.stringify({ ...anEvent(1), [field]: {} }))).toBeNull();
  });

  it('of any text is an event or none', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const event = parseTraceLine(text);
        expect(event === null || typeof event.request_id === 'string').toBe(true);
      }),
    );
  });
});
