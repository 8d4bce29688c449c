/** A captured terminal screen as rows of characters with their styles. */

export type CellStyle = {
  /** 30 to 37 or 90 to 97, as in SGR; null: the terminal's own. */
  readonly color: number | null;
  readonly isBold: boolean;
  readonly isDim: boolean;
  readonly isReversed: boolean;
};
/** Each character takes one column: the pictures show nothing else. */
export type Cell = { readonly character: string; readonly style: CellStyle };
export type Screen = readonly (readonly Cell[])[];

const UNSTYLED: CellStyle = { color: null, isBold: false, isDim: false, isReversed: false };
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what a style is made of
const SGR = /\u001b\[([\d;]*)m/;

/** Reads what `tmux capture-pane -e` prints. Empty rows at the end are left out. */
export function parseScreen(captured: string): Screen {
  let style = UNSTYLED;
  const rows = captured.split('\n').map((line) => {
    const parts = line.split(SGR);
    return parts.flatMap((part, n) => {
      if (n % 2 === 0) return [...part].map((character): Cell => ({ character, style }));
      style = part.split(';').reduce((before, code) => styleAfter(before, Number(code)), style);
      return [];
    });
  });
  return rows.slice(0, rows.findLastIndex((row) => textOf(row).trim() !== '') + 1);
}

export function textOf(row: readonly Cell[]): string {
  return row.map(({ character }) => character).join('');
}

/**
 * Replaces every match, row by row, by the text given for it and the number of matches before it. Columns stay where they
 * are: the blanks before the next column become more or fewer.
 */
export function replaceIn(screen: Screen, pattern: RegExp, replacement: (match: string, n: number) => string): Screen {
  let count = 0;
  return screen.map((row) => {
    let cells = row;
    // From the end, so that the offsets of earlier matches stay true; counted from the start all the same.
    const matches = [...textOf(row).matchAll(pattern)];
    const texts = matches.map((match) => replacement(match[0], count++));
    for (const [n, match] of [...matches.entries()].reverse()) {
      cells = replaceAt(cells, match.index, match[0].length, texts[n] as string);
    }
    return cells;
  });
}

function replaceAt(row: readonly Cell[], at: number, length: number, text: string): readonly Cell[] {
  const { style } = row[at] as Cell;
  const put = [...text].map((character): Cell => ({ character, style }));
  const [before, after] = [row.slice(0, at), row.slice(at + length)];
  const growth = put.length - length;
  // What follows up to the next column stays with the text.
  const column = / {2,}/.exec(textOf(after));
  if (column === null) return [...before, ...put, ...after];
  const [same, rest] = [after.slice(0, column.index), after.slice(column.index)];
  const blanks = Array<Cell>(Math.max(0, -growth)).fill(rest[0] as Cell);
  return [...before, ...put, ...same, ...blanks, ...rest.slice(Math.min(Math.max(0, growth), column[0].length - 1))];
}

function styleAfter(style: CellStyle, code: number): CellStyle {
  if (code === 0) return UNSTYLED;
  if (code === 1) return { ...style, isBold: true };
  if (code === 2) return { ...style, isDim: true };
  if (code === 7) return { ...style, isReversed: true };
  if (code === 22) return { ...style, isBold: false, isDim: false };
  if (code === 27) return { ...style, isReversed: false };
  if (code === 39) return { ...style, color: null };
  return (code >= 30 && code <= 37) || (code >= 90 && code <= 97) ? { ...style, color: code } : style;
}
