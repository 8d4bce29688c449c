import { CONFIDENCE_WANTED, isAsFairAsPossible } from '../../../core/trace/fairness.ts';
import type { Distribution } from '../../../core/trace/trace-stats.ts';
import { percentText } from '../../ui/bar.ts';
import type { Style } from '../../ui/style.ts';
import { cutToWidth, displayWidth, padToWidth, wrapToWidth } from '../../ui/width.ts';
import { unevenText } from '../../words/strategy-words.ts';
import { layoutTrace, renderTraceLine, renderTraceTitles } from '../../words/trace-line.ts';
import { keyOf } from '../../words/trace-text.ts';
import { LINES_SHOWN, shownEvents, type TraceFilter, type TraceWindow, type WindowStats, windowStats } from './window.ts';

export type WindowSize = { readonly columns: number; readonly rows: number };

/** Title, column titles, counts and key hints stand around the requests. */
const FRAME_ROWS = 4;

/** The live window as lines, none wider than the terminal and no more than it has rows. */
export function renderTraceWindow(window: TraceWindow, { columns, rows }: WindowSize, style: Style): string[] {
  const stats = windowStats(window);
  const room = Math.max(0, Math.min(LINES_SHOWN, rows - FRAME_ROWS));
  const body = window.showsHelp ? renderHelp(columns, style) : renderRequests(window, room, columns, style);
  const blank = Array.from({ length: Math.max(0, room + 1 - body.length) }, () => '');
  const lines = [
    joinWithin(titleParts(window, stats, style), columns, '  '),
    ...[...body, ...blank].slice(0, room + 1),
    renderCounts(stats.distribution, columns, style),
    joinWithin(hints(window, style), columns, '  '),
  ];
  return lines.slice(0, rows);
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
  // A mark of one column in front: highlighting must also be seen without colour.
  const layout = layoutTrace(columns - 2, shown);
  const highlight: Style = { ...style, dim: style.strong };
  return [
    `  ${renderTraceTitles(layout, style)}`,
    ...shown.map((event) => {
      const isFresh = window.fresh.has(event);
      return `${isFresh ? style.accent('>') : ' '} ${renderTraceLine(event, layout, isFresh ? highlight : style)}`;
    }),
  ];
}

/** A piece of a line, and its uncoloured text for measuring. The first pieces matter most. */
type Piece = { readonly text: string; readonly paint?: (text: string) => string };

function joinWithin(pieces: readonly Piece[], columns: number, gap: string): string {
  let line = '';
  let used = 0;
  for (const { text, paint = (plain: string) => plain } of pieces) {
    const before = used === 0 ? '' : gap;
    const room = columns - used - before.length;
    if (room <= 0) break;
    const shown = cutToWidth(text, room, '');
    line += before + paint(shown);
    used += before.length + displayWidth(shown);
  }
  return line;
}

function titleParts(
  { size, held, mode }: TraceWindow,
  { distribution, cachedShare, isBySession }: WindowStats,
  style: Style,
): Piece[] {
  const { total, confidence } = distribution;
  const uneven = confidence < CONFIDENCE_WANTED && !isAsFairAsPossible(distribution);
  const pieces: Piece[] = [{ text: 'kmi trace', paint: style.strong }];
  if (mode !== null) pieces.push({ text: mode, paint: mode === 'live' ? style.good : style.warn });
  if (held !== null) pieces.push({ text: `paused, ${held.length} new`, paint: style.warn });
  pieces.push({ text: `window ${size}` });
  // Sessions that stay where they are fall on the keys as they will.
  if (total > 0 && !isBySession) {
    pieces.push({ text: `confidence ${percent(confidence)}`, paint: uneven ? style.warn : style.good });
    if (uneven) pieces.push({ text: `uneven: below ${CONFIDENCE_WANTED} %`, paint: style.warn });
  }
  if (cachedShare !== null) pieces.push({ text: `cached ${percentText(cachedShare)}` });
  if (total < size) pieces.push({ text: `warming up ${total}/${size}`, paint: style.dim });
  return pieces;
}

/** What binary fractions cost: 50 % comes as 49.999... */
const ROUNDING = 1e-9;

/** Whole percent, rounded down: 94.9 must not read as the 95 that is wanted. */
function percent(confidence: number): string {
  return `${Math.floor(confidence + ROUNDING)} %`;
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

function hints({ filter, held }: TraceWindow, style: Style): Piece[] {
  const active = describeFilter(filter);
  const keys: Piece[] = ['? help', 'q quit', 'k key', 's status', held === null ? 'p pause' : 'p go on'].map((text) => ({
    text,
    paint: style.dim,
  }));
  return active === null ? keys : [{ text: `only ${active}`, paint: style.accent }, { text: 'c all', paint: style.dim }, ...keys];
}

function describeFilter({ key, status }: TraceFilter): string | null {
  const parts = [key === null ? [] : [`key ${keyOf({ key_label: key })}`], status === 'all' ? [] : [status]].flat();
  return parts.length === 0 ? null : parts.join(', ');
}

const HELP: readonly (readonly [key: string, does: string])[] = [
  ['q, Ctrl+C', 'quit'],
  ['k', 'only one key: the next of those seen, then all again'],
  ['s', 'only errors, only what went well, all again'],
  ['c, Esc', 'show everything again'],
  ['p, space', 'pause and go on; nothing is lost meanwhile'],
  ['?', 'this help; any key closes it'],
];

const ABOUT = [
  `Confidence: 100 less the largest deviation of a key from the even share of the window, in percent of that share. Filters do not change it, and it is left out while requests go by ${unevenText()}.`,
  'Tokens: the input and how much of it the prompt cache served; out: the output.',
  '`kmi why <request>` tells how one request found its key.',
];

function renderHelp(columns: number, style: Style): string[] {
  const width = Math.max(...HELP.map(([key]) => key.length)) + 4;
  const keys = HELP.flatMap(([key, does]) =>
    wrapToWidth(does, columns - width).map((line, n) => `  ${style.strong(padToWidth(n === 0 ? key : '', width - 4))}  ${line}`),
  );
  return ['', ...keys, '', ...ABOUT.flatMap((text) => wrapToWidth(text, columns - 2).map((line) => `  ${line}`))];
}
