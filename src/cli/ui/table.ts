import type { Style } from './style.ts';
import { cutToWidth, displayWidth, padToWidth, wrapToWidth } from './width.ts';

export type Paint = (text: string) => string;

/** Text of one cell, and how it is coloured once its width is settled. `rendered` text is coloured already and never cut. */
export type Cell = string | { readonly text: string; readonly paint: Paint } | { readonly rendered: string };

export type Column = {
  readonly title?: string;
  readonly align?: 'left' | 'right';
  /** Gives way when the table is too wide, down to this many columns; a column without it keeps its width. */
  readonly shrinkTo?: number;
  /** Text that does not fit goes on in the next line, in place of being cut. */
  readonly wrap?: boolean;
  /** Columns of blank space after it; 2 when absent. */
  readonly gap?: number;
};

export type TableOptions = { readonly width: number; readonly style: Style; readonly indent?: string };

const GAP = 2;

/** Lines of aligned columns, at most `width` wide where the columns that may shrink allow it. No trailing blanks. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  { width, style, indent = '' }: TableOptions,
): string[] {
  const widths = fitWidths(columns, rows, width - displayWidth(indent));
  const lines = (cells: readonly Cell[]) => {
    const rendered = columns.map((column, n) => renderCell(cells[n] ?? '', widths[n] as number, column, style));
    const height = Math.max(...rendered.map((parts) => parts.length));
    return Array.from({ length: height }, (_, row) => {
      const parts = columns.map((column, n) => {
        const part = padToWidth(rendered[n]?.[row] ?? '', widths[n] as number, column.align);
        return n === columns.length - 1 ? part : part + ' '.repeat(column.gap ?? GAP);
      });
      return `${indent}${parts.join('')}`.trimEnd();
    });
  };
  const hasTitles = columns.some(({ title }) => title !== undefined);
  const titles = columns.map(({ title = '' }) => ({ text: title, paint: style.dim }));
  return [...(hasTitles ? lines(titles) : []), ...rows.flatMap(lines)];
}

function fitWidths(columns: readonly Column[], rows: readonly (readonly Cell[])[], available: number): number[] {
  const widths = columns.map((column, n) =>
    Math.max(displayWidth(column.title ?? ''), ...rows.map((row) => displayWidth(bareText(row[n] ?? '')))),
  );
  const gaps = columns.slice(0, -1).reduce((sum, { gap = GAP }) => sum + gap, 0);
  let excess = widths.reduce((sum, width) => sum + width, 0) + gaps - available;
  while (excess > 0) {
    // The one with most to spare gives first, so that one long label does not cost the others theirs.
    const rooms = columns.map(({ shrinkTo }, n) => (shrinkTo === undefined ? 0 : (widths[n] as number) - shrinkTo));
    const most = Math.max(...rooms);
    if (most <= 0) break;
    const giver = rooms.indexOf(most);
    widths[giver] = (widths[giver] as number) - 1;
    excess -= 1;
  }
  return widths;
}

function bareText(cell: Cell): string {
  if (typeof cell === 'string') return cell;
  return 'rendered' in cell ? cell.rendered : cell.text;
}

/** The lines of a cell; more than one only where the column wraps. */
function renderCell(cell: Cell, width: number, { wrap = false }: Column, style: Style): string[] {
  if (typeof cell !== 'string' && 'rendered' in cell) return [cell.rendered];
  const text = bareText(cell);
  const lines = wrap ? wrapToWidth(text, width) : [cutToWidth(text, width, style.isPlain ? '...' : '…')];
  return typeof cell === 'string' ? lines : lines.map((line) => (line === '' ? '' : cell.paint(line)));
}
