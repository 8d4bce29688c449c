import type { Candidate } from '../../../core/choosing/eligibility.ts';
import type { KeyHealth } from '../../../core/quota/key-health.ts';
import type { QuotaWindow, Usage } from '../../../core/quota/quota.ts';
import { durationText, untilWithClock } from '../../../core/text/duration.ts';
import type { Zone } from '../../../core/text/zoned-time.ts';
import { isLow, paintShare, percentText } from '../../ui/bar.ts';
import type { Style } from '../../ui/style.ts';
import { cutToWidth } from '../../ui/width.ts';
import { outInWords } from '../../words/key-words.ts';

const NAME_COLUMNS = 8;
/** A reading is as good as new for so long; a running proxy reads every 10 minutes. */
const FRESH_MS = 15 * 60_000;

/** "5h  99 %  7d  96 %", what is left of the `most` tightest windows; "-" when nothing is known. */
export function quotaText(usage: Usage | null, most: number, style: Style): string {
  const shown = tightest(usage, most);
  if (shown.every(({ remainingShare }) => remainingShare === null)) return style.dim('-');
  const parts = shown.map((window) => {
    const { remainingShare: share } = window;
    const text = share === null ? '-' : percentText(share);
    return `${nameOf(window, style)} ${paintShare(share, style)(text.padStart(5))}`;
  });
  return parts.join('  ');
}

/** In their own order. */
function tightest(usage: Usage | null, most: number): readonly QuotaWindow[] {
  const windows = usage?.windows ?? [];
  if (windows.length <= most) return windows;
  const byShare = windows.toSorted((a, b) => (a.remainingShare ?? 1) - (b.remainingShare ?? 1));
  const kept = new Set(byShare.slice(0, most));
  return windows.filter((window) => kept.has(window));
}

/** "5h" of "5h limit". */
function nameOf({ label }: QuotaWindow, style: Style): string {
  return cutToWidth(label.replace(/ limit$/, ''), NAME_COLUMNS, style.isPlain ? '...' : '…');
}

/** How old the reading is, when that is worth saying: "3 h ago". */
export function readText(health: KeyHealth | null, now: number): string {
  if (health === null || now - health.fetchedAt <= FRESH_MS) return '';
  const [count, unit] = durationText(now - health.fetchedAt, 'down').split(' ');
  return `${count} ${unit} ago`;
}

/** Why a key cannot serve and when it comes back; of one with little left, when that is full again; else nothing. */
export function noteOf(candidate: Candidate, now: number, zone: Zone, style: Style): string {
  // The status says that one of these is disabled, and there is no more to say.
  if (candidate.key.disabled) return '';
  const out = outInWords(candidate, now, zone);
  if (out !== null) return out;
  const [window] = tightest(candidate.health?.usage ?? null, 1);
  if (window === undefined || !isLow(window.remainingShare)) return '';
  const { resetsAt, resetHint } = window;
  if (resetsAt !== null) return `${nameOf(window, style)} resets ${untilWithClock(resetsAt, now, zone)}`;
  return resetHint === null ? '' : `${nameOf(window, style)} resets ${resetHint.replace(/^resets /, '')}`;
}
