import { open } from 'node:fs/promises';
import type { TraceEvent } from '../core/trace-event.ts';
import { reasonOf } from '../errors.ts';

const BLOCK_BYTES = 64 * 1024;
/** A line longer than this is no trace line. */
const LINE_MAX_BYTES = 1024 * 1024;

/** A trace line as an event, or null for a torn, foreign or unusable line. */
export function parseTraceLine(line: string): TraceEvent | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const event = value as Partial<TraceEvent>;
  const usable =
    typeof event.ts === 'string' &&
    typeof event.request_id === 'string' &&
    typeof event.key_label === 'string' &&
    typeof event.status === 'number' &&
    typeof event.endpoint === 'string';
  return usable ? (event as TraceEvent) : null;
}

/** The newest `count` events of a trace file, oldest first; reads the file from its end. A missing file is empty. */
export async function readLastEvents(path: string, count: number): Promise<TraceEvent[]> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    if (reasonOf(error) === 'ENOENT') return [];
    throw error;
  }
  try {
    const events: TraceEvent[] = [];
    let { size: position } = await handle.stat();
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
    return events.reverse();
  } finally {
    await handle.close();
  }
}

function takeFromEnd(text: string, count: number, events: TraceEvent[]): void {
  const lines = text.split('\n');
  for (let n = lines.length - 1; n >= 0 && events.length < count; n--) {
    const event = parseTraceLine(lines[n] as string);
    if (event !== null) events.push(event);
  }
}
