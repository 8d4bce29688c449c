import type { TraceEvent } from '../../src/core/trace/trace-event.ts';

/** A served request; its id and time follow from `n`. */
export function traceEvent(n: number, fields: Partial<TraceEvent> = {}): TraceEvent {
  const two = (value: number) => String(value).padStart(2, '0');
  return {
    schema_version: 1,
    ts: `2026-02-02 12:${two(Math.floor(n / 60) % 60)}:${two(n % 60)} +0300`,
    request_id: `${n.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`,
    method: 'POST',
    endpoint: '/chat/completions',
    status: 200,
    latency_ms: 100 + n,
    key_label: ['ada', 'ben', 'cleo'][n % 3] as string,
    key_hash: '0123456789ab',
    rotation_index: n % 3,
    error_code: null,
    prompt_hint: 'Say hello to the whole world...',
    prompt_head: 'Say',
    choice: 'round_robin',
    ...fields,
  };
}

export function traceEvents(count: number, fields: Partial<TraceEvent> = {}): TraceEvent[] {
  return Array.from({ length: count }, (_, n) => traceEvent(n, fields));
}

export function linesOf(events: readonly TraceEvent[]): string {
  return events.map((event) => `${JSON.stringify(event)}\n`).join('');
}
