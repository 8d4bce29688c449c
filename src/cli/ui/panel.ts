import type { Style } from './style.ts';
import type { Cell, Paint } from './table.ts';
import { displayWidth, padToWidth, wrapToWidth } from './width.ts';

/** Wider than this, lines are hard to follow with the eye. */
const MAX_WIDTH = 120;
const MIN_WIDTH = 40;

/** Columns a view may use in a terminal of `columns`. */
export function viewWidth(columns: number): number {
  return Math.max(MIN_WIDTH, Math.min(columns, MAX_WIDTH));
}

/** Columns for the lines of a section. */
export function innerWidth(width: number): number {
  return width - INDENT.length;
}

const INDENT = '  ';

/** Lines under a title. The same for every command, and without a box: its borders would outshine what is in it. */
export function renderSection(title: string, lines: readonly string[], style: Style): string[] {
  return [style.strong(title), ...lines.map((line) => (line === '' ? '' : `${INDENT}${line}`))];
}

export type Field = { readonly name: string; readonly value: Exclude<Cell, { rendered: string }> };

/** Names in one column, values in the next, wrapped to `width`; below its name a value with a word, such as a path, that fits nowhere else. */
export function renderFields(fields: readonly Field[], width: number, style: Style): string[] {
  const nameWidth = Math.max(...fields.map(({ name }) => displayWidth(name)));
  return fields.flatMap(({ name, value }) => {
    const text = typeof value === 'string' ? value : value.text;
    const paint: Paint = typeof value === 'string' ? (plain) => plain : value.paint;
    const room = width - nameWidth - 2;
    if (text.split(' ').some((word) => displayWidth(word) > room)) {
      return [style.dim(name), ...wrapToWidth(text, innerWidth(width)).map((line) => `${INDENT}${paint(line)}`)];
    }
    return wrapToWidth(text, room).map((line, n) => `${padToWidth(n === 0 ? style.dim(name) : '', nameWidth)}  ${paint(line)}`);
  });
}
