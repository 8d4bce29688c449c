import type { TraceEvent } from '../../../core/trace/trace-event.ts';
import type { Style } from '../../ui/style.ts';
import { layoutTrace, renderTraceLine } from './line.ts';

/** Columns of a line that goes into a pipe or a file, which has no width to keep to. */
export const STREAM_COLUMNS = 160;

const LAYOUT_LINES = 1000;

/** Requests as lines that follow one another; `columns` is asked each time, because a terminal changes. */
export function traceLines(style: Style, columns: () => number): (events: readonly TraceEvent[]) => readonly string[] {
  let seen: readonly TraceEvent[] = [];
  return (events) => {
    // Columns fit what was printed lately too, so that they stay where they are.
    seen = [...seen, ...events].slice(-LAYOUT_LINES);
    const layout = layoutTrace(columns(), seen);
    return events.map((event) => renderTraceLine(event, layout, style));
  };
}
