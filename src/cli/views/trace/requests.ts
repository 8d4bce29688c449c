import type { TraceEvent } from '../../../core/trace/trace-event.ts';
import type { MinuteStats } from '../../../core/trace/trace-stats.ts';
import { percentText } from '../../ui/bar.ts';
import type { Piece } from '../../ui/pieces.ts';
import type { Style } from '../../ui/style.ts';
import { counted } from '../../words/key-words.ts';
import { layoutTrace, renderTraceLine, renderTraceTitles } from '../../words/trace-line.ts';

export type RequestMarks = {
  readonly fresh: ReadonlySet<TraceEvent>;
  /** Id of the selected request; null: none. */
  readonly selected: string | null;
};

/** Titles and one line a request, each behind a mark of one column: new and selected ones must be told without colour, too. */
export function renderRequestList(
  events: readonly TraceEvent[],
  { fresh, selected }: RequestMarks,
  columns: number,
  style: Style,
): string[] {
  const layout = layoutTrace(columns - 2, events);
  const bold: Style = { ...style, dim: style.strong };
  return [
    `  ${renderTraceTitles(layout, style)}`,
    ...events.map((event) => {
      const isFresh = fresh.has(event);
      const isSelected = event.request_id === selected;
      const mark = isSelected ? style.strong('*') : isFresh ? style.accent('>') : ' ';
      const line = renderTraceLine(event, layout, isFresh || isSelected ? bold : style);
      return `${mark} ${isSelected ? style.reverse(line) : line}`;
    }),
  ];
}

/** "last minute: 12 requests, 1 failed, 2 failovers, cached 93 %". */
export function minutePieces({ requests, failures, failovers, cachedShare }: MinuteStats, style: Style): Piece[] {
  if (requests === 0) return [{ text: 'last minute: no request', paint: style.dim }];
  const after = ', ';
  return [
    { text: `last minute: ${counted(requests, 'request')}` },
    { text: `${failures} failed`, after, ...(failures === 0 ? {} : { paint: style.bad }) },
    { text: counted(failovers, 'failover'), after, ...(failovers === 0 ? {} : { paint: style.warn }) },
    ...(cachedShare === null ? [] : [{ text: `cached ${percentText(cachedShare)}`, after }]),
  ];
}
