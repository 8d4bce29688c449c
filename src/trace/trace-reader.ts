import { type FileHandle, open } from 'node:fs/promises';
import type { TraceEvent } from '../core/trace/trace-event.ts';
import { reasonOf } from '../errors.ts';

const BLOCK_BYTES = 64 * 1024;
/** A line longer than this is no trace line. */
const LINE_MAX_BYTES = 1024 * 1024;

/**
 * A trace line as an event, or null for a torn, foreign or unusable line. Fields that older versions and the Python tool
 * do not write, and those with a value of the wrong type, are empty.
 */
export function parseTraceLine(line: string): TraceEvent | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const {
    verdict,
    tried,
    skipped,
    dry_run: _,
    input_tokens,
    cached_tokens,
    output_tokens,
    session,
    ...event
  } = value as Partial<TraceEvent>;
  const { ts, request_id, key_label, status, endpoint, error_code } = event;
  if (typeof ts !== 'string' || typeof request_id !== 'string' || typeof key_label !== 'string') return null;
  if (typeof status !== 'number' || typeof endpoint !== 'string') return null;
  return {
    ...event,
    schema_version: 1,
    ts,
    request_id,
    key_label,
    status,
    endpoint,
    method: textOf(event.method),
    latency_ms: numberOf(event.latency_ms),
    key_hash: textOf(event.key_hash),
    rotation_index: numberOf(event.rotation_index),
    error_code: typeof error_code === 'string' || typeof error_code === 'number' ? error_code : null,
    prompt_hint: textOf(event.prompt_hint),
    prompt_head: textOf(event.prompt_head),
    choice: typeof event.choice === 'string' ? event.choice : null,
    ...(typeof verdict === 'string' ? { verdict } : {}),
    ...(isListOf(tried, { key_label: [''], status: [0, null], verdict: [''] }) ? { tried } : {}),
    ...(isListOf(skipped, { key_label: [''], reason: [''] }) ? { skipped } : {}),
    ...(isCount(input_tokens) ? { input_tokens } : {}),
    ...(isCount(cached_tokens) ? { cached_tokens } : {}),
    ...(isCount(output_tokens) ? { output_tokens } : {}),
    ...(typeof session === 'string' ? { session } : {}),
    ...((value as Partial<TraceEvent>).dry_run === true ? { dry_run: true } : {}),
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

/** Whether the value is an array of objects, each of whose fields is of the type of one of its samples. */
function isListOf<Item extends object>(
  value: unknown,
  samples: { readonly [Field in keyof Item]: readonly Item[Field][] },
): value is Item[] {
  const fields = Object.entries<readonly unknown[]>(samples).map(([name, of]) => [name, new Set(of.map(kindOf))] as const);
  const fits = (item: unknown) =>
    typeof item === 'object' &&
    item !== null &&
    fields.every(([name, kinds]) => kinds.has(kindOf((item as Record<string, unknown>)[name])));
  return Array.isArray(value) && value.every(fits);
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : typeof value;
}

/**
 * The newest `count` events of a trace, oldest first: those of the file, then as far as needed of the rotated ones (`.1`,
 * `.2`, ...). Reads files from their ends. A missing file is empty.
 */
export async function readLastEvents(path: string, count: number): Promise<TraceEvent[]> {
  const events: TraceEvent[] = [];
  const seen = new Set<number>();
  // While a trace rotates, one name in the row is free for a moment; two in a row are its end.
  for (let n = 0, missing = 0; events.length < count && missing < 2; n++) {
    const handle = await openIfThere(n === 0 ? path : `${path}.${n}`);
    if (handle === null) {
      missing += 1;
      continue;
    }
    missing = 0;
    try {
      // A file that was renamed since it was read is met again under its new name.
      const { ino, size } = await handle.stat();
      if (!seen.has(ino)) await readFromEnd(handle, size, count, events);
      seen.add(ino);
    } finally {
      await handle.close();
    }
  }
  return events.reverse();
}

async function openIfThere(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (reasonOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Adds events to `events`, newest first, until there are `count`. */
async function readFromEnd(handle: FileHandle, size: number, count: number, events: TraceEvent[]): Promise<void> {
  let position = size;
  let carry: Buffer = Buffer.alloc(0);
  while (position > 0 && events.length < count) {
    const length = Math.min(BLOCK_BYTES, position);
    position -= length;
    const block = Buffer.alloc(length);
    await handle.read(block, 0, length, position);
    const text = Buffer.concat([block, carry]);
    const firstBreak = position === 0 ? -1 : text.indexOf(0x0a);
    if (position > 0 && firstBreak === -1) {
      carry = text.length > LINE_MAX_BYTES ? Buffer.alloc(0) : text;
      continue;
    }
    carry = text.subarray(0, firstBreak + 1);
    takeFromEnd(text.subarray(firstBreak + 1).toString('utf8'), count, events);
  }
}

function takeFromEnd(text: string, count: number, events: TraceEvent[]): void {
  const lines = text.split('\n');
  for (let n = lines.length - 1; n >= 0 && events.length < count; n--) {
    const event = parseTraceLine(lines[n] as string);
    if (event !== null) events.push(event);
  }
}
