import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { TraceEvent } from '../core/trace-event.ts';
import { reasonOf } from '../errors.ts';
import { parseTraceLine } from './reader.ts';

/**
 * The requests whose id begins with `prefix`, in the trace and its rotated files; at most `max`. Reads line
 * by line, so that a trace of any size needs no memory.
 */
export async function findRequests(path: string, prefix: string, max: number): Promise<TraceEvent[]> {
  const found = new Map<string, TraceEvent>();
  for (let n = 0; found.size < max; n++) {
    const isThere = await searchFile(n === 0 ? path : `${path}.${n}`, prefix, max, found);
    // The trace itself may be missing for a moment while it rotates.
    if (!isThere && n > 0) break;
  }
  return [...found.values()];
}

async function searchFile(path: string, prefix: string, max: number, found: Map<string, TraceEvent>): Promise<boolean> {
  const input = createReadStream(path);
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  try {
    for await (const line of lines) {
      if (!line.includes(prefix)) continue;
      const event = parseTraceLine(line);
      if (event?.request_id.startsWith(prefix)) found.set(event.request_id, event);
      if (found.size >= max) break;
    }
    return true;
  } catch (error) {
    if (reasonOf(error) === 'ENOENT') return false;
    throw error;
  } finally {
    lines.close();
    input.destroy();
  }
}
