import { mkdir, mkdtemp, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { readLastEvents } from '../../src/trace/trace-reader.ts';
import { TraceWriter, tracePath } from '../../src/trace/writer.ts';
import { cleanUp } from '../support/cleanup.ts';
import { anEvent, ids, range } from './events.ts';

type Warning = { readonly message: string; readonly details: Record<string, unknown> | undefined };

async function newWriter({ maxMb = 5, backups = 3 } = {}) {
  const stateDir = await mkdtemp(join(tmpdir(), 'kmi-trace-'));
  cleanUp(() => rm(stateDir, { recursive: true, force: true }));
  const warnings: Warning[] = [];
  const path = tracePath(stateDir);
  const log = { warn: (message: string, details?: Record<string, unknown>) => void warnings.push({ message, details }) };
  const another = () => {
    const writer = new TraceWriter({ path, maxMb, backups, log });
    cleanUp(() => writer.close());
    return writer;
  };
  return { writer: another(), another, path, warnings };
}

const written = async (path: string) => ids(await readLastEvents(path, 1_000_000));

describe('the trace', () => {
  it('is written in the order of the events, one JSON object a line', async () => {
    const { writer, path } = await newWriter();
    for (let n = 0; n < 300; n++) writer.record(anEvent(n));
    await writer.flush();
    const text = await readFile(path, 'utf8');
    expect(text.split('\n').map((line) => (line === '' ? '' : JSON.parse(line).request_id))).toEqual([...range(0, 300), '']);
    expect(JSON.parse(text.split('\n')[0] as string)).toEqual(anEvent(0));
  });

  it('is written without being asked, soon, and in one go for what came together', async () => {
    const { writer, path } = await newWriter();
    for (let n = 0; n < 20; n++) writer.record(anEvent(n));
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
    await vi.waitFor(async () => expect(await written(path)).toEqual(range(0, 20)), { timeout: 5_000, interval: 5 });
  });

  it('keeps line breaks and odd characters of a prompt within its line', async () => {
    const { writer, path } = await newWriter();
    const prompt_hint = 'a\nb\r\u2028 "q" \\ \ud800 余额 \u0000';
    writer.record(anEvent(0, { prompt_hint }));
    writer.record(anEvent(1));
    await writer.close();
    const [first, second] = await readLastEvents(path, 9);
    expect([first?.prompt_hint, second?.request_id]).toEqual([prompt_hint, 'r1']);
  });

  it('is complete after closing, also what came while it was being written', async () => {
    const { writer, path } = await newWriter();
    for (let n = 0; n < 900; n++) {
      writer.record(anEvent(n));
      if (n % 100 === 0) await setImmediate();
    }
    await writer.close();
    expect(await written(path)).toEqual(range(0, 900));
    expect(writer.dropped).toBe(0);
  });

  it('takes a thousand events beside those on their way to the disk, drops and counts the rest, and says so', async () => {
    const { writer, path, warnings } = await newWriter();
    for (let n = 0; n < 2_000; n++) writer.record(anEvent(n));
    expect(writer.dropped).toBe(500);
    await writer.flush();
    expect(await written(path)).toEqual(range(0, 1_500));
    expect(warnings).toEqual([{ message: expect.stringContaining('too slow'), details: { dropped: 500 } }]);
    writer.record(anEvent(5_000));
    await writer.flush();
    expect((await written(path)).at(-1)).toBe('r5000');
    expect(warnings).toHaveLength(1);
  });

  it('is rotated before it grows past its size, and the oldest file goes', async () => {
    const { writer, path } = await newWriter({ maxMb: 0.001, backups: 2 });
    for (let n = 0; n < 20; n++) {
      writer.record(anEvent(n));
      await writer.flush();
    }
    const perFile = Math.floor((0.001 * 1024 * 1024) / (JSON.stringify(anEvent(10)).length + 1));
    for (const name of [path, `${path}.1`, `${path}.2`]) expect((await stat(name)).size).toBeLessThanOrEqual(1049);
    await expect(stat(`${path}.3`)).rejects.toMatchObject({ code: 'ENOENT' });
    const kept = await written(path);
    expect(kept).toEqual(range(20 - kept.length, 20));
    expect(kept.length).toBeGreaterThan(perFile * 2);
  });

  it('of two writers, each rotating, loses no line and tears none', async () => {
    const { writer, another, path, warnings } = await newWriter({ maxMb: 0.01, backups: 50 });
    const second = another();
    for (let n = 0; n < 100; n++) {
      writer.record(anEvent(n));
      second.record(anEvent(1000 + n));
      await Promise.all([writer.flush(), second.flush()]);
    }
    const all = await written(path);
    expect(all.filter((id) => id.length < 5)).toEqual(range(0, 100));
    expect(all.filter((id) => id.length === 5)).toEqual(range(1000, 1100));
    expect(warnings).toEqual([]);
  });

  it('goes on after a restart behind a line that a crash tore', async () => {
    const { writer, path } = await newWriter();
    await mkdir(dirname(path));
    await writeFile(path, `${JSON.stringify(anEvent(0))}\n{"ts":"2026-`);
    writer.record(anEvent(1));
    await writer.flush();
    expect(await written(path)).toEqual(['r0', 'r1']);
  });
});

describe('when the trace', () => {
  it('is taken away, the next line begins it anew', async () => {
    const { writer, path, warnings } = await newWriter();
    writer.record(anEvent(0));
    await writer.flush();
    await rm(dirname(path), { recursive: true });
    writer.record(anEvent(1));
    await writer.flush();
    expect(await written(path)).toEqual(['r1']);
    await rename(path, `${path}.1`);
    writer.record(anEvent(2));
    await writer.flush();
    expect([await readFile(path, 'utf8'), await written(path)]).toEqual([expect.stringContaining('r2'), ['r1', 'r2']]);
    expect(warnings).toEqual([]);
  });

  it('cannot be written, events are dropped and counted, it is said once, and it heals', async () => {
    const { writer, path, warnings } = await newWriter();
    await mkdir(path, { recursive: true });
    for (let n = 0; n < 5; n++) {
      writer.record(anEvent(n));
      await writer.flush();
    }
    expect(writer.dropped).toBe(5);
    expect(warnings).toEqual([
      { message: 'The trace cannot be written; requests go on without it.', details: { dropped: 1, reason: 'EISDIR' } },
    ]);
    await rmdir(path);
    writer.record(anEvent(5));
    await writer.close();
    expect(await written(path)).toEqual(['r5']);
  });

  it('gets an event that cannot be written, only that event is lost', async () => {
    const { writer, path, warnings } = await newWriter();
    writer.record(anEvent(0));
    writer.record(anEvent(1, { latency_ms: 5n as unknown as number }));
    writer.record(anEvent(2));
    await writer.flush();
    expect([await written(path), writer.dropped, warnings.length]).toEqual([['r0', 'r2'], 1, 1]);
  });
});
