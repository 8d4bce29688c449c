import { stripVTControlCharacters } from 'node:util';
import { type Distribution, minuteStats } from '../../../core/trace/trace-stats.ts';
import { joinPieces, type Piece } from '../../ui/pieces.ts';
import type { Style } from '../../ui/style.ts';
import { cutToWidth, displayWidth, padToWidth, wrapToWidth } from '../../ui/width.ts';
import { keyOf } from '../../words/trace-text.ts';
import { renderWhy } from '../why/view.ts';
import { minutePieces, renderRequestList } from './requests.ts';
import { keyCounts, selectedEvent, shownEvents, type TraceFilter, type TraceWindow } from './window.ts';

export type WindowSize = { readonly columns: number; readonly rows: number };

/** Title, column titles, counts and key hints stand around the requests. */
const FRAME_ROWS = 4;

/** Requests that a screen of so many rows holds. */
export function requestRows({ rows }: Pick<WindowSize, 'rows'>): number {
  return Math.max(0, rows - FRAME_ROWS);
}

/** The live window as lines, none wider than the terminal and no more than it has rows. `now`: epoch ms. */
export function renderTraceWindow(window: TraceWindow, { columns, rows }: WindowSize, style: Style, now: number): string[] {
  const room = requestRows({ rows });
  const body = renderBody(window, room, columns, style);
  const blank = Array.from({ length: Math.max(0, room + 1 - body.length) }, () => '');
  const lines = [
    joinPieces(titlePieces(window, style, now), columns),
    ...[...body, ...blank].slice(0, room + 1),
    renderCounts(keyCounts(window), columns, style),
    joinPieces(hints(window, style), columns),
  ];
  return lines.slice(0, rows);
}

function renderBody(window: TraceWindow, room: number, columns: number, style: Style): string[] {
  if (window.showsHelp) return renderHelp(columns, style);
  const selected = window.showsWhy ? selectedEvent(window) : null;
  if (selected !== null) {
    const lines = renderWhy(selected, { width: columns, style });
    return [
      '',
      ...lines.map((line) => (displayWidth(line) > columns ? cutToWidth(stripVTControlCharacters(line), columns, '') : line)),
    ];
  }
  return renderRequests(window, room, columns, style);
}

function renderRequests(window: TraceWindow, room: number, columns: number, style: Style): string[] {
  const shown = shownEvents(window, room);
  if (shown.length === 0) {
    const text =
      window.events.length > 0
        ? 'No request seen so far passes the filter.'
        : 'No requests yet. They appear here as the proxy serves them.';
    return ['', ...wrapToWidth(text, columns)];
  }
  return renderRequestList(shown, window, columns, style);
}

function titlePieces({ events, held, mode }: TraceWindow, style: Style, now: number): Piece[] {
  return [
    { text: 'kmi trace', paint: style.strong },
    ...(mode === null ? [] : [{ text: mode, paint: mode === 'live' ? style.good : style.warn }]),
    ...(held === null ? [] : [{ text: `paused, ${held.length} new`, paint: style.warn }]),
    ...minutePieces(minuteStats(held === null ? events : [...events, ...held], now), style),
  ];
}

function renderCounts({ counts, total }: Distribution, columns: number, style: Style): string {
  if (total === 0) return '';
  const parts = counts.map(([label, count]) => `${keyOf({ key_label: label })} ${count}`);
  for (let shown = parts.length; shown > 0; shown--) {
    const rest = parts.length - shown;
    const line = [...parts.slice(0, shown), ...(rest === 0 ? [] : [`and ${rest} more`])].join('  ');
    if (displayWidth(line) <= columns) return line;
  }
  return cutToWidth(parts[0] as string, columns, style.isPlain ? '...' : '…');
}

function hints(window: TraceWindow, style: Style): Piece[] {
  const { filter, held, showsHelp, showsWhy } = window;
  const dim = (texts: readonly string[]): Piece[] => texts.map((text) => ({ text, paint: style.dim }));
  if (showsHelp) return dim(['any key goes back', 'q quit']);
  if (showsWhy && selectedEvent(window) !== null) return dim(['up, down other requests', 'Esc goes back', 'q quit']);
  const active = describeFilter(filter);
  const keys = dim([
    '? help',
    'q quit',
    'up, down select',
    'Enter why',
    'k key',
    's errors',
    held === null ? 'p pause' : 'p go on',
  ]);
  return active === null ? keys : [{ text: `only ${active}`, paint: style.accent }, ...dim(['c all']), ...keys];
}

function describeFilter({ key, status }: TraceFilter): string | null {
  const parts = [key === null ? [] : [`key ${keyOf({ key_label: key })}`], status === 'all' ? [] : [status]].flat();
  return parts.length === 0 ? null : parts.join(', ');
}

const HELP: readonly (readonly [key: string, does: string])[] = [
  ['up, down', 'select a request; Page Up, Page Down, Home and End too'],
  ['Enter', 'say how the selected request found its key, as `kmi why` does'],
  ['k', 'show one key only: the next of those seen, then all'],
  ['s', 'show errors only, then what went well, then all'],
  ['c', 'show all again'],
  ['p, space', 'pause and go on; nothing is lost'],
  ['Esc', 'go back: from a request, from the selection, from a filter'],
  ['q, Ctrl+C', 'quit'],
];

function about(style: Style): readonly string[] {
  return [
    '`>` marks requests that have just come, `*` the selected one.',
    ...(style.hasColor ? ['A yellow note: other keys were tried first. Red: the answer failed or broke off.'] : []),
    '`12.3k/98%`: input tokens, and how much of them the prompt cache served. `out`: output tokens.',
    'The last line but one counts the requests each key served lately.',
  ];
}

function renderHelp(columns: number, style: Style): string[] {
  const width = Math.max(...HELP.map(([key]) => key.length)) + 4;
  const keys = HELP.flatMap(([key, does]) =>
    wrapToWidth(does, columns - width).map((line, n) => `  ${style.strong(padToWidth(n === 0 ? key : '', width - 4))}  ${line}`),
  );
  return ['', ...keys, '', ...about(style).flatMap((text) => wrapToWidth(text, columns - 2).map((line) => `  ${line}`))];
}
