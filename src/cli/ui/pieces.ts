import { cutToWidth, displayWidth } from './width.ts';

/** A piece of a line, uncoloured for measuring. `after`: what parts it from the piece before; two blanks when absent. */
export type Piece = { readonly text: string; readonly paint?: (text: string) => string; readonly after?: string };

/** As many of the pieces as fit, the first ones first; none is cut but the first. */
export function joinPieces(pieces: readonly Piece[], columns: number): string {
  let line = '';
  let used = 0;
  for (const { text, paint = (plain: string) => plain, after = '  ' } of pieces) {
    const before = used === 0 ? '' : after;
    const room = columns - used - before.length;
    if (used > 0 && displayWidth(text) > room) break;
    const shown = cutToWidth(text, room, '');
    line += before + paint(shown);
    used += before.length + displayWidth(shown);
  }
  return line;
}
