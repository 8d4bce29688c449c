import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { TraceEvent } from '../core/trace/trace-event.ts';
import { reasonOf } from '../errors.ts';
import { parseTraceLine } from './trace-reader.ts';

/**
 * The newest requests whose id begins with `prefix`, in the trace and its rotated files; at most `max`, the newest first.
 * Reads line by line, so that a trace of any size needs no memory.
 */
export async function findRequests(path: string, prefix: string, max: number): Promise<TraceEvent[]> {
  const found = new Map<string, TraceEvent>();
  for (let n = 0; found.size < max; n++) {
    const inFile = await searchFile(n === 0 ? path : `${path}.${n}`, prefix, max);
    // The trace itself may be missing for a moment while it rotates.
    if (inFile === null && n > 0) break;
    for (const event of inFile ?? []) found.set(event.request_id, event);
  }
  return [...found.values()].slice(0, max);
}

/** Those of one file, the newest first; null when it is not there. */
async function searchFile(path: string, prefix: string, max: number): Promise<TraceEvent[] | null> {
  const found: TraceEvent[] = [];
  const input = createReadStream(path);
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  try {
    for await (const line of lines) {
      if (!line.includes(prefix)) continue;
      const event = parseTraceLine(line);
      if (event === null || !event.request_id.startsWith(prefix)) continue;
      found.push(event);
      if (found.length > max) found.shift();
    }
    return found.reverse();
  } catch (error) {
    if (reasonOf(error) === 'ENOENT') return null;
    throw error;
  } finally {
    lines.close();
    input.destroy();
  }
}
