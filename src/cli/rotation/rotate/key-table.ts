import { type Candidate, keyStatusOf } from '../../../core/choosing/eligibility.ts';
import { untilWithClock } from '../../../core/text/duration.ts';
import type { Zone } from '../../../core/text/zoned-time.ts';
import { paintShare, percentText, renderBar } from '../../ui/bar.ts';
import type { Style } from '../../ui/style.ts';
import { type Cell, type Column, renderTable } from '../../ui/table.ts';
import { padToWidth } from '../../ui/width.ts';
import { outInWords, paintStatus } from '../../words/key-words.ts';
import type { RotationMessages } from './messages.ts';

const WIDE = 100;
const NARROW = 80;

/** The key dashboard: a line a key with its status, what is left in its tightest window, and what it waits for. */
export function renderKeyTable(
  candidates: readonly Candidate[],
  { activeIndex, now, zone, messages }: { activeIndex: number; now: number; zone: Zone; messages: RotationMessages },
  { width, style }: { width: number; style: Style },
): string[] {
  const { columns, keys } = messages;
  const [barWidth, noteWidth] = width < NARROW ? [6, 16] : [12, 24];
  // In a narrow terminal what a key waits for needs the room more.
  const hasEmail = width >= WIDE && candidates.some(({ key }) => key.email !== null);
  const layout: Column[] = [
    { gap: 1 },
    { title: columns.key, shrinkTo: 12 },
    { title: columns.status },
    { title: columns.left },
    { shrinkTo: noteWidth, wrap: true },
    ...(hasEmail ? [{ title: columns.account, shrinkTo: 10 }] : []),
  ];
  const rows = candidates.map((candidate, index): Cell[] => {
    const isActive = index === activeIndex;
    const status = keyStatusOf(candidate, now);
    const share = candidate.health?.usage?.remainingShare ?? null;
    const percent = paintShare(share, style)(padToWidth(percentText(share), 5, 'right'));
    const out = outInWords(candidate, now, zone, keys);
    return [
      { text: isActive ? '>' : '', paint: style.accent },
      { text: candidate.key.label, paint: isActive ? style.strong : (text) => text },
      { text: keys.status[status], paint: paintStatus(status, style) },
      { rendered: `${renderBar(share, barWidth, style)} ${percent}` },
      out ?? { text: noteOf(candidate, now, zone, messages), paint: style.dim },
      { text: candidate.key.email ?? '', paint: style.dim },
    ];
  });
  return renderTable(layout, rows, { width, style });
}

/** For a key that can serve: why nothing is known of it, else when its tightest window is full again. */
function noteOf({ health }: Candidate, now: number, zone: Zone, { keys, resets, askingFailed }: RotationMessages): string {
  // `kmi health` has the whole text; a line a key has no room for it.
  if (health?.error != null) return `${askingFailed}: ${health.error.split(': ', 1)[0]}`;
  const usage = health?.usage ?? null;
  const tightest = usage?.windows.find(
    ({ remainingShare }) => remainingShare !== null && remainingShare === usage.remainingShare,
  );
  if (tightest === undefined || tightest.resetsAt === null || tightest.remainingShare === 1) return '';
  return `${resets} ${untilWithClock(tightest.resetsAt, now, zone, keys.time)}`;
}
