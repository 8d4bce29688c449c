import type { TraceEvent } from '../../src/core/trace/trace-event.ts';
import { traceEvent } from './event-fixture.ts';

/** The n-th event of a test, under a short id that says which. */
export function anEvent(n: number, fields: Partial<TraceEvent> = {}): TraceEvent {
  return traceEvent(n, { request_id: `r${n}`, ...fields });
}

export const ids = (events: readonly TraceEvent[]) => events.map(({ request_id }) => request_id);

export const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => `r${from + n}`);
