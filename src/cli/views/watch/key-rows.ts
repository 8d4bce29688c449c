import { type Candidate, keyStatusOf } from '../../../core/choosing/eligibility.ts';
import type { QuotaWindow, Usage } from '../../../core/quota/quota.ts';
import { clockText } from '../../../core/text/duration.ts';
import type { Zone } from '../../../core/text/zoned-time.ts';
import { paintShare, percentText } from '../../ui/bar.ts';
import type { Style } from '../../ui/style.ts';
import { type Cell, type Column, renderTable } from '../../ui/table.ts';
import { cutToWidth, displayWidth, padToWidth, wrapToWidth } from '../../ui/width.ts';
import { ENGLISH_KEYS, paintStatus } from '../../words/key-words.ts';
import { noteOf, quotaText } from '../status/quota-text.ts';
import { type Picture, shownPicture, type WatchScreen } from './screen.ts';

type Look = { readonly columns: number; readonly style: Style };

const NOTE_INDENT = 4;
const NAME_COLUMNS = 8;

/** The keys in at most `room` lines: titles, a line a key, and below each that cannot serve why. The selected one is in sight. */
export function renderKeyRows(screen: WatchScreen, room: number, look: Look): string[] {
  const picture = shownPicture(screen);
  const { candidates } = picture;
  if (candidates.length === 0 || room < 2) return [];
  const at = Math.max(
    candidates.findIndex(({ key }) => key.label === screen.selected),
    0,
  );
  // A pool may have thousands of keys; of these none but the nearest can be in sight.
  const from = Math.max(at - room, 0);
  const near = candidates.slice(from, at + room);
  const [titles = '', ...rows] = tableOf({ ...picture, candidates: near }, screen.selected, look);
  const blocks = rows.map((row, n) => [row, ...notesOf(near[n] as Candidate, picture, look)]);
  const { shown, count } = inSight(blocks, at - from, room - 1);
  const left = candidates.length - count;
  return [titles, ...shown, ...(left === 0 ? [] : [look.style.dim(`  and ${left} more`)])].slice(0, room);
}

/** The blocks around one of them, in so many lines, or in one less when not all fit. */
function inSight(blocks: readonly (readonly string[])[], at: number, room: number) {
  const all = blocks.flat();
  if (all.length <= room) return { shown: all, count: blocks.length };
  let first = at;
  let last = at;
  let used = blocks[at]?.length ?? 0;
  const take = (n: number) => {
    const size = blocks[n]?.length;
    if (size === undefined || used + size > room - 1) return false;
    used += size;
    return true;
  };
  for (let grows = true; grows; ) {
    const up = take(first - 1);
    if (up) first -= 1;
    const down = take(last + 1);
    if (down) last += 1;
    grows = up || down;
  }
  return {
    shown: blocks
      .slice(first, last + 1)
      .flat()
      .slice(0, Math.max(room - 1, 1)),
    count: last - first + 1,
  };
}

function tableOf(
  { candidates, active, rotation, now, zone }: Picture,
  selected: string | null,
  { columns, style }: Look,
): string[] {
  const layout: Column[] = [{ gap: 1 }, { title: 'KEY', shrinkTo: 8 }, { title: 'STATUS' }, { title: 'LEFT' }];
  const rowsWith = (quota: (usage: Usage | null) => string) =>
    candidates.map((candidate): Cell[] => {
      const { key, health } = candidate;
      const status = keyStatusOf(candidate, now);
      // Under auto-rotation the active key plays no part.
      const mark = `${key.label === selected ? '*' : ' '}${rotation === null && key.label === active ? '>' : ' '}`;
      return [
        { text: mark, paint: style.accent },
        { text: key.label, paint: key.label === selected ? (text) => style.reverse(style.strong(text)) : style.strong },
        { text: ENGLISH_KEYS.status[status], paint: paintStatus(status, style) },
        { rendered: quota(health?.usage ?? null) },
      ];
    });
  const looks = [
    (usage: Usage | null) => quotaWithResets(usage, now, zone, style),
    (usage: Usage | null) => quotaText(usage, 3, style),
    (usage: Usage | null) => quotaText(usage, 2, style),
  ];
  const tables = looks.map((quota) => renderTable(layout, rowsWith(quota), { width: columns, style }));
  const fitting = tables.find((table) => table.every((line) => displayWidth(line) <= columns));
  return (
    fitting ??
    renderTable(
      layout.slice(0, 3),
      rowsWith(() => '').map((cells) => cells.slice(0, 3)),
      { width: columns, style },
    )
  );
}

/** "5h 62 % (resets 14:10)  7d 50 % (resets 23 Nov 16:00)"; "-" when nothing is known. */
function quotaWithResets(usage: Usage | null, now: number, zone: Zone, style: Style): string {
  const windows = usage?.windows ?? [];
  if (windows.length === 0) return style.dim('-');
  return windows.map((window) => windowText(window, now, zone, style)).join('  ');
}

function windowText({ label, remainingShare: share, resetsAt }: QuotaWindow, now: number, zone: Zone, style: Style): string {
  const name = cutToWidth(label.replace(/ limit$/, ''), NAME_COLUMNS, style.isPlain ? '...' : '…');
  const left = paintShare(share, style)(padToWidth(share === null ? '-' : percentText(share), 5, 'right'));
  const reset = resetsAt === null || resetsAt <= now ? '' : style.dim(` (resets ${clockText(resetsAt, now, zone)})`);
  return `${name} ${left}${reset}`;
}

/** Why a key cannot serve, or what it has little left of. */
function notesOf(candidate: Candidate, { now, zone }: Picture, { columns, style }: Look): string[] {
  const note = noteOf(candidate, now, zone, style);
  if (note === '') return [];
  return wrapToWidth(note, columns - NOTE_INDENT).map((line) => `${' '.repeat(NOTE_INDENT)}${style.dim(line)}`);
}
