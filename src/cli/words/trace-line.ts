import { isBroken, isFailover, type TraceEvent, tokensOf } from '../../core/trace/trace-event.ts';
import type { Style } from '../ui/style.ts';
import { cutToWidth, displayWidth, padToWidth } from '../ui/width.ts';
import { ID_SHOWN, inputOf, keyOf, latencyOf, noteOf, outputOf, paintStatus, shortIdOf, timeOf } from './trace-text.ts';

type Column = {
  readonly title: string;
  readonly align?: 'right';
  /** Columns whose text has another length on each line. */
  readonly min: number;
  readonly max: number;
  readonly text: (event: TraceEvent) => string;
  readonly paint: (text: string, event: TraceEvent, style: Style) => string;
};

const asIs = (text: string) => text;
const dimmed = (text: string, _event: TraceEvent, style: Style) => style.dim(text);

/** A failover and an answer that broke off are seen among those that went well. */
function paintNote(text: string, event: TraceEvent, style: Style): string {
  if (isBroken(event)) return style.bad(text);
  return isFailover(event) ? style.warn(text) : text;
}

const COLUMNS = {
  time: { title: 'TIME', min: 8, max: 8, text: timeOf, paint: dimmed },
  status: {
    title: 'STATUS',
    align: 'right',
    min: 6,
    max: 6,
    text: ({ status }) => String(status),
    paint: (text, event, style) => (isBroken(event) ? style.bad(text) : paintStatus(event.status, text, style)),
  },
  latency: { title: 'TOOK', align: 'right', min: 7, max: 7, text: latencyOf, paint: asIs },
  key: { title: 'KEY', min: 8, max: 24, text: keyOf, paint: asIs },
  tokens: { title: 'TOKENS', align: 'right', min: 9, max: 10, text: inputOf, paint: asIs },
  output: { title: 'OUT', align: 'right', min: 5, max: 5, text: outputOf, paint: asIs },
  endpoint: { title: 'ENDPOINT', min: 13, max: 28, text: ({ endpoint }) => endpoint, paint: asIs },
  id: { title: 'REQUEST', min: ID_SHOWN, max: ID_SHOWN, text: shortIdOf, paint: dimmed },
  note: { title: 'NOTE', min: 8, max: Number.POSITIVE_INFINITY, text: noteOf, paint: paintNote },
} as const satisfies Record<string, Column>;

type ColumnName = keyof typeof COLUMNS;

/** What a narrow terminal does without, first to go first. Time, status and key stay. */
const DISPENSABLE: readonly ColumnName[] = ['output', 'endpoint', 'note', 'id', 'tokens', 'latency'];
/** These give way to a note that says something. */
const LESS_THAN_NOTE: readonly ColumnName[] = ['output', 'endpoint'];
const NOTE_WANTED = 24;
/** Left out as long as no request states any: older traces have none. */
const OF_TOKENS: ReadonlySet<ColumnName> = new Set(['tokens', 'output']);
const GAP = '  ';

/** The columns of the trace and their widths. */
export type TraceLayout = readonly { readonly name: ColumnName; readonly width: number }[];

/** Columns for a terminal of `columns`, wide enough for what the events hold where there is room. */
export function layoutTrace(columns: number, events: readonly TraceEvent[]): TraceLayout {
  const hasTokens = events.some((event) => tokensOf(event) !== null);
  const hasNotes = events.length === 0 || events.some((event) => noteOf(event) !== '');
  let names = (Object.keys(COLUMNS) as ColumnName[]).filter(
    (name) => (hasTokens || !OF_TOKENS.has(name)) && (hasNotes || name !== 'note'),
  );
  const least = () => names.reduce((sum, name) => sum + COLUMNS[name].min, GAP.length * (names.length - 1));
  for (const name of DISPENSABLE) {
    const wanted = least() + (LESS_THAN_NOTE.includes(name) ? NOTE_WANTED - COLUMNS.note.min : 0);
    if (wanted > columns) names = names.filter((other) => other !== name);
  }
  let room = columns - least();
  return names.map((name) => {
    const { min, max, text }: Column = COLUMNS[name];
    const wanted =
      name === 'note' ? min + room : Math.min(max, Math.max(min, ...events.map((event) => displayWidth(text(event)))));
    const width = Math.min(wanted, min + room);
    room -= width - min;
    return { name, width };
  });
}

export function renderTraceTitles(layout: TraceLayout, style: Style): string {
  return style.dim(joined(layout, ({ title, align }, width) => padToWidth(cutToWidth(title, width, ''), width, align)));
}

/** One request on one line. */
export function renderTraceLine(event: TraceEvent, layout: TraceLayout, style: Style): string {
  const mark = style.isPlain ? '...' : '…';
  return joined(layout, ({ text, paint, align }, width) => {
    const shown = cutOnce(printable(text(event)), width, mark);
    return padToWidth(paint(shown, event, style), width, align);
  });
}

/** A note may end in dots already: it was cut when it was written. */
function cutOnce(text: string, width: number, mark: string): string {
  const shown = cutToWidth(text, width, mark);
  return shown === text ? shown : `${shown.slice(0, -mark.length).replace(/[.…\s]+$/u, '')}${mark}`;
}

function joined(layout: TraceLayout, cell: (column: Column, width: number) => string): string {
  return layout
    .map(({ name, width }) => cell(COLUMNS[name], width))
    .join(GAP)
    .trimEnd();
}

/** The trace is a file anybody could have written to: nothing of it may steer the terminal. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}]/gu, '?');
}
