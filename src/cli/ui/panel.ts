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

/** Columns between the borders of a panel of `width`. */
export function innerWidth(width: number): number {
  return width - 4;
}

/**
 * Lines in a box with a title on its edge; plain: the title, and the lines indented. Lines are at most `innerWidth`
 * wide, else the box bulges there.
 */
export function renderPanel(
  title: string,
  lines: readonly string[],
  { width, style, paintTitle = style.strong }: { width: number; style: Style; paintTitle?: Paint },
): string[] {
  if (style.isPlain) return [title, ...lines.map((line) => (line === '' ? '' : `  ${line}`))];
  const edge = style.dim;
  const rest = Math.max(0, width - 5 - displayWidth(title));
  return [
    `${edge('╭─')} ${paintTitle(title)} ${edge(`${'─'.repeat(rest)}╮`)}`,
    ...lines.map((line) => `${edge('│')} ${padToWidth(line, innerWidth(width))} ${edge('│')}`),
    edge(`╰${'─'.repeat(width - 2)}╯`),
  ];
}

export type Field = { readonly name: string; readonly value: Exclude<Cell, { rendered: string }> };

/** Names in one column, values in the next, wrapped to `width`. */
export function renderFields(fields: readonly Field[], width: number, style: Style): string[] {
  const nameWidth = Math.max(...fields.map(({ name }) => displayWidth(name)));
  return fields.flatMap(({ name, value }) => {
    const text = typeof value === 'string' ? value : value.text;
    const paint: Paint = typeof value === 'string' ? (plain) => plain : value.paint;
    return wrapToWidth(text, width - nameWidth - 2).map(
      (line, n) => `${padToWidth(n === 0 ? style.dim(name) : '', nameWidth)}  ${paint(line)}`,
    );
  });
}
