import { type Cell, type CellStyle, parseScreen, replaceIn, type Screen, textOf } from '../../scripts/terminal-screen.ts';

/** What differs from one run to the next, none of it longer or shorter at another time, so that lines break where they did. */
const FIXED: readonly (readonly [RegExp, string])[] = [
  [/127\.0\.0\.1:\d{5}\b/g, '127.0.0.1:54123'],
  [/\b[B-DF-HJ-NP-TV-Z]{4}-[B-DF-HJ-NP-TV-Z]{4}\b/g, 'BCDF-GHJK'],
  [/\(\d\d:\d\d\)/g, '(12:00)'],
  [/\bpid \d+/g, 'pid 4242'],
  [/^\d+(?=\)\.$)/g, '4242'],
];

/** A screen that `Terminal.painted` captured, fit for a snapshot: without what belongs to one run, colours as `␛[1m`. */
export function shownScreen(captured: string): string {
  const screen = FIXED.reduce<Screen>((shown, [pattern, text]) => replaceIn(shown, pattern, () => text), parseScreen(captured));
  // The shell's own prompt, which is another one for root.
  const last = screen.at(-1);
  const lines = last !== undefined && /^[$#]\s*$/.test(textOf(last)) ? screen.slice(0, -1) : screen;
  return lines.map(lineOf).join('\n');
}

function lineOf(row: readonly Cell[]): string {
  const last = textOf(row).trimEnd().length;
  let codes = '';
  const parts = row.slice(0, last).map(({ character, style }) => {
    const wanted = codesOf(style);
    const change = wanted === codes ? '' : `␛[0${wanted}m`;
    codes = wanted;
    return change + character;
  });
  return `${parts.join('')}${codes === '' ? '' : '␛[0m'}`;
}

function codesOf({ isBold, isDim, isReversed, color }: CellStyle): string {
  return [...(isBold ? [1] : []), ...(isDim ? [2] : []), ...(isReversed ? [7] : []), ...(color === null ? [] : [color])]
    .map((code) => `;${code}`)
    .join('');
}
