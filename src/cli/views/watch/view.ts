import { durationText } from '../../../core/text/duration.ts';
import { zonedStamp } from '../../../core/text/zoned-time.ts';
import { minuteStats } from '../../../core/trace/trace-stats.ts';
import { joinPieces, type Piece } from '../../ui/pieces.ts';
import type { Style } from '../../ui/style.ts';
import { cutToWidth, padToWidth, wrapToWidth } from '../../ui/width.ts';
import { minutePieces, renderRequestList } from '../trace/requests.ts';
import { wordsOf } from './happening-words.ts';
import { renderKeyRows } from './key-rows.ts';
import { type Picture, shownPicture, type WatchScreen } from './screen.ts';
import { type Verdict, verdictOf } from './verdict.ts';

export type ScreenSize = { readonly columns: number; readonly rows: number };

/** Verdict, facts and a blank line above, the keys of the keyboard below. */
const FRAME_ROWS = 4;
const HAPPENINGS_MAX = 8;

/** The screen as lines, none wider than the terminal and no more than it has rows. */
export function renderWatch(screen: WatchScreen, { columns, rows }: ScreenSize, style: Style): string[] {
  const picture = shownPicture(screen);
  const verdict = headline(picture);
  const room = Math.max(0, rows - FRAME_ROWS);
  const body = screen.showsHelp ? renderHelp(columns, style) : renderBody(screen, room, columns, style);
  const blank = Array.from({ length: Math.max(0, room - body.length) }, () => '');
  const lines = [
    style.strong(style[verdict.level](cutToWidth(verdict.text, columns, style.isPlain ? '...' : '…'))),
    joinPieces(facts(screen, style), columns),
    '',
    ...[...body, ...blank].slice(0, room),
    bottomLine(screen, columns, style),
  ];
  // In a terminal of a few lines the last one gives way.
  return lines.slice(0, rows);
}

/** Without a proxy nothing is served, whatever the keys could do. */
export function headline({ candidates, now, zone, proxy }: Picture): Verdict {
  switch (proxy.is) {
    case 'running':
      return verdictOf(candidates, now, zone);
    case 'nothing':
      return { level: 'bad', text: 'Proxy not running; `kmi proxy` starts it' };
    case 'unknown':
      return { level: 'warn', text: `Proxy: ${proxy.why}` };
  }
}

function facts(screen: WatchScreen, style: Style): Piece[] {
  const picture = shownPicture(screen);
  const { mode, rotation, proxy, now, requests } = picture;
  const up = proxy.is === 'running' && proxy.startedAt !== null ? `, up ${durationText(now - proxy.startedAt, 'down')}` : '';
  return [
    ...(screen.paused === null ? [] : [{ text: pausedText(screen.paused, screen.latest), paint: style.warn }]),
    { text: mode, paint: mode === 'live' ? style.good : style.warn },
    { text: `${rotation ?? 'manual'}${up}`, after: ', ' },
    ...minutePieces(minuteStats(requests, now), style),
  ];
}

/** "paused 20 s ago, 12 new requests". */
function pausedText(paused: Picture, { requests, now }: Picture): string {
  const last = paused.requests.at(-1);
  const at = last === undefined ? -1 : requests.lastIndexOf(last);
  return `paused ${durationText(now - paused.now, 'down')} ago, ${requests.length - 1 - at} new`;
}

/** Keys above, requests in the middle, happenings below: what there is of each, and requests take the rest. */
function renderBody(screen: WatchScreen, room: number, columns: number, style: Style): string[] {
  const picture = shownPicture(screen);
  const keys = renderKeyRows(screen, Math.max(Math.floor(room * 0.45), Math.min(room, 3)), { columns, style });
  const left = room - keys.length;
  const happeningRows = Math.min(picture.happenings.length, HAPPENINGS_MAX, Math.floor(left / 3));
  const happenings = renderHappenings(picture, happeningRows, columns, style);
  const requestRoom = left - (happenings.length === 0 ? 0 : happenings.length + 1) - 1;
  const requests = renderRequests(picture, requestRoom, columns, style);
  const filler = Array.from({ length: Math.max(0, requestRoom - requests.length) }, () => '');
  return [...keys, '', ...requests, ...(happenings.length === 0 ? [] : [...filler, '', ...happenings])];
}

function renderRequests({ requests, fresh }: Picture, room: number, columns: number, style: Style): string[] {
  if (room < 1) return [];
  if (requests.length === 0) {
    return wrapToWidth('No requests yet. They appear here as the proxy serves them.', columns).slice(0, room).map(style.dim);
  }
  if (room < 2) return [];
  const newest = requests.slice(1 - room).toReversed();
  return renderRequestList(newest, { fresh, selected: null }, columns, style);
}

function renderHappenings({ happenings, zone }: Picture, room: number, columns: number, style: Style): string[] {
  if (room < 1) return [];
  return happenings.slice(-room).map((happening) => {
    const { text, paint } = wordsOf(happening, zone, style);
    const time = zonedStamp(happening.at, zone).slice(11, 19);
    return `  ${style.dim(time)}  ${paint(cutToWidth(text, columns - 12, style.isPlain ? '...' : '…'))}`;
  });
}

function bottomLine({ message, paused, showsHelp }: WatchScreen, columns: number, style: Style): string {
  if (message !== null) return style.accent(cutToWidth(message, columns, style.isPlain ? '...' : '…'));
  const hints = showsHelp
    ? ['any key goes back', 'q quit']
    : ['? help', 'q quit', 'up, down select', 'f free', 'n use next', paused === null ? 'p pause' : 'p go on'];
  return joinPieces(
    hints.map((text) => ({ text, paint: style.dim })),
    columns,
  );
}

const HELP: readonly (readonly [key: string, does: string])[] = [
  ['up, down', 'select a key'],
  ['f', 'free the selected key: end its cooldown, or unblock it'],
  ['n, Enter', 'use the selected key next: make it the active key. Under auto-rotation that counts after `kmi rotate off`'],
  ['p, space', 'pause the picture and go on; nothing is lost'],
  ['Esc', 'select nothing'],
  ['q, Ctrl+C', 'quit'],
];

function about(style: Style): readonly string[] {
  return [
    '`*` marks the selected key, `>` the active key of manual mode and requests that have just come.',
    '`LEFT` is what is left of each quota window, as the proxy read it last. `kmi health` asks again.',
    '`12.3k/98%`: input tokens, and how much of them the prompt cache served. `kmi why <request>` says how a request found its key.',
    ...(style.hasColor ? ['A yellow note: other keys were tried first. Red: the answer failed or broke off.'] : []),
  ];
}

function renderHelp(columns: number, style: Style): string[] {
  const width = Math.max(...HELP.map(([key]) => key.length)) + 4;
  const keys = HELP.flatMap(([key, does]) =>
    wrapToWidth(does, columns - width).map((line, n) => `  ${style.strong(padToWidth(n === 0 ? key : '', width - 4))}  ${line}`),
  );
  return [...keys, '', ...about(style).flatMap((text) => wrapToWidth(text, columns - 2).map((line) => `  ${line}`))];
}
