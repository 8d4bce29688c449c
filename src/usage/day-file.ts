import { open, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { foldUsage, type UsageBounds, type UsageRow } from '../core/tokens/usage-row.ts';
import { reasonOf } from '../errors.ts';
import { openToAppend } from '../files/owner.ts';
import { removeLeftovers, replaceFile } from '../files/private.ts';
import { versionIn, versionOf } from '../files/version.ts';
import { parseUsageLine, renderUsageLine } from './usage-line.ts';

/**
 * The token accounts are one file a day, `2026-02-02.jsonl`, of increments: a line says what was added to a row. Who
 * writes holds the lock of the folder; reading needs none, since lines are only appended and files replaced whole.
 */
export function usageFolder(stateDir: string): string {
  return join(stateDir, 'usage');
}

const DAY_FILE = /^(\d{4}-\d\d-\d\d)\.jsonl$/;
const NEWLINE = 0x0a;
/** First line of a closed day's file that needs no more work. */
const COMPACTED = '{"compacted":true}\n';

/** A file of an open day is compacted when it has grown past this; of 1000 sessions some 150 KB are left. */
const COMPACT_OVER_BYTES = 512 * 1024;
/** And not again before it has grown so many times, should its rows be many: folding them takes longer than adding some. */
const COMPACT_AGAIN = 4;
export const OPEN_DAY: UsageBounds = { sessions: 1000, models: 100 };
const CLOSED_DAY: UsageBounds = { sessions: 200, models: 100 };
const LINES_AT_A_TIME = 500;
/** Files kept. By number, not by age: a clock that jumps ahead for a while must not cost the past. */
const DAYS_KEPT = 100;

function dayPath(folder: string, day: string): string {
  return join(folder, `${day}.jsonl`);
}

/** Days there is a file of, oldest first. A missing folder has none. Throws what else the file system says. */
export async function listDays(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (reasonOf(error) === 'ENOENT') return [];
    throw error;
  });
  return names.flatMap((name) => DAY_FILE.exec(name)?.[1] ?? []).sort();
}

/** The increments of a day, in the order they came. A file that is not there has none. */
export async function readDay(folder: string, day: string): Promise<UsageRow[]> {
  const text = await readFile(dayPath(folder, day), 'utf8').catch((error: unknown) => {
    if (reasonOf(error) === 'ENOENT') return '';
    throw error;
  });
  const rows: UsageRow[] = [];
  for (const [n, line] of text.split('\n').entries()) {
    const row = parseUsageLine(line, day);
    if (row !== null) rows.push(row);
    // A proxy that compacts goes on serving meanwhile.
    if (n % LINES_AT_A_TIME === LINES_AT_A_TIME - 1) await nextTurn();
  }
  return rows;
}

/** Versions of a file before and after an append. `before`: null where it was empty; `after`: null when it is not just that. */
export type Appended = { readonly before: string | null; readonly after: string | null; readonly size: number };

/**
 * Adds lines to a day's file: all of them or, when this throws what the file system says, none. Under the lock.
 */
export async function appendToDay(folder: string, day: string, lines: string): Promise<Appended> {
  const handle = await openToAppend(dayPath(folder, day));
  try {
    const found = await handle.stat({ bigint: true });
    const size = Number(found.size);
    // The torn line of a writer that was killed must not take the next one with it.
    const torn = size > 0 && (await handle.read(Buffer.alloc(1), 0, 1, size - 1)).buffer[0] !== NEWLINE;
    const bytes = Buffer.from((torn ? '\n' : '') + lines);
    try {
      await handle.appendFile(bytes);
    } catch (error) {
      // What did get in would count twice when it is tried again.
      await handle.truncate(size);
      throw error;
    }
    const expected = size + bytes.length;
    // From here on nothing may fail: the lines are in.
    const left = await handle.stat({ bigint: true }).catch(() => null);
    const isAsExpected = left !== null && Number(left.size) === expected;
    return { before: size === 0 ? null : versionIn(found), after: isAsExpected ? versionIn(left) : null, size: expected };
  } finally {
    await handle.close().catch(() => undefined);
  }
}

/**
 * Has the file system write down what it may still hold in memory of a day's file: until then a power cut takes it, though a crash of
 * the process does not. Best effort: some file systems cannot. Needs no lock.
 */
export async function syncDay(folder: string, day: string): Promise<void> {
  try {
    const handle = await open(dayPath(folder, day), 'r+');
    await handle.datasync().finally(() => handle.close());
  } catch {
    // The bytes are in the file all the same.
  }
}

/** Replaces a day's file by these lines. Comes back with what it is then. Under the lock. */
export async function replaceDay(
  folder: string,
  day: string,
  lines: string,
): Promise<{ readonly version: string | null; readonly size: number }> {
  const bytes = Buffer.from(lines);
  await replaceFile(dayPath(folder, day), bytes);
  return { version: await versionOf(dayPath(folder, day)), size: bytes.length };
}

/** Whether a file of this size wants compacting. */
export function isTooLarge(size: number, sizeWhenCompacted: number): boolean {
  return size > Math.max(COMPACT_OVER_BYTES, COMPACT_AGAIN * sizeWhenCompacted);
}

/** Removes the oldest files beyond the number kept, and compacts those of days before `today`. Under the lock. */
export async function tidyDays(folder: string, today: string): Promise<void> {
  const days = await listDays(folder);
  for (const day of days.slice(0, -DAYS_KEPT)) await rm(dayPath(folder, day), { force: true });
  for (const day of days.slice(-DAYS_KEPT)) {
    const path = dayPath(folder, day);
    await removeLeftovers(path);
    if (day >= today || (await beginsCompacted(path))) continue;
    const rows = foldUsage(await readDay(folder, day), CLOSED_DAY);
    await replaceFile(path, COMPACTED + rows.map(renderUsageLine).join(''));
  }
}

async function beginsCompacted(path: string): Promise<boolean> {
  const handle = await open(path, 'r');
  try {
    const { buffer } = await handle.read(Buffer.alloc(COMPACTED.length), 0, COMPACTED.length, 0);
    return buffer.toString() === COMPACTED;
  } finally {
    await handle.close();
  }
}
