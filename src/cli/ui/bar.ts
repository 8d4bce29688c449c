import type { Style } from './style.ts';

const LOW_SHARE = 0.2;

/**
 * What is left, as a bar of `width` columns. Only nothing looks empty and only everything looks full; an unknown share
 * is a dotted line. Plain: `#` and `-`.
 */
export function renderBar(share: number | null, width: number, style: Style): string {
  const [full, empty, unknown] = style.isPlain ? ['#', '-', '.'] : ['█', '░', '·'];
  if (share === null) return style.dim(unknown.repeat(width));
  const filled = filledColumns(share, width);
  const paint = (text: string, color: (text: string) => string) => (text === '' ? '' : color(text));
  return paint(full.repeat(filled), paintShare(share, style)) + paint(empty.repeat(width - filled), style.dim);
}

function filledColumns(share: number, width: number): number {
  if (share <= 0) return 0;
  if (share >= 1) return width;
  return Math.min(width - 1, Math.max(1, Math.round(share * width)));
}

/** Known, and under 20 %. */
export function isLow(share: number | null): boolean {
  return share !== null && share < LOW_SHARE;
}

/** Good from 20 % up, as the status of a key has it (docs/kmi-manager.md#key-status). */
export function paintShare(share: number | null, style: Style): (text: string) => string {
  if (share === null) return style.dim;
  if (share <= 0) return style.bad;
  return isLow(share) ? style.warn : style.good;
}

/** "62 %", "<1 %", "99 %" for anything short of all; "?" when unknown. */
export function percentText(share: number | null): string {
  if (share === null) return '?';
  if (share > 0 && share < 0.01) return '<1 %';
  return `${share < 1 ? Math.min(99, Math.round(share * 100)) : 100} %`;
}
