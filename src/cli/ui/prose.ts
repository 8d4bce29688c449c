import { displayWidth } from './width.ts';

/**
 * A sentence, coloured or not, in lines of at most `width` columns, broken at blanks only: what has no blank, such as an address, stays
 * whole. The lines stand below the beginning of the first.
 */
export function wrapProse(text: string, width: number): string[] {
  if (displayWidth(text) <= width) return [text];
  const indent = /^ */.exec(text)?.[0] ?? '';
  const lines: string[] = [];
  let line = '';
  for (const word of text.slice(indent.length).split(' ')) {
    const longer = line === '' ? indent + word : `${line} ${word}`;
    if (line !== '' && displayWidth(longer) > width) {
      lines.push(line);
      line = indent + word;
    } else line = longer;
  }
  lines.push(line);
  return lines;
}
