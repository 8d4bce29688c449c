import { stripVTControlCharacters } from 'node:util';
import { displayWidth, wordsOf } from './width.ts';

/**
 * A sentence, coloured or not, in lines of at most `width` columns, broken at blanks only: what has no blank, such as an address, stays
 * whole. The lines stand below the beginning of the first.
 */
export function wrapProse(text: string, width: number): string[] {
  if (displayWidth(text) <= width) return [text];
  const indent = /^ */.exec(stripVTControlCharacters(text))?.[0] ?? '';
  const [first = '', ...words] = wordsOf(text, width - indent.length);
  const lines: string[] = [];
  let line = first;
  for (const word of words) {
    const longer = `${line} ${word}`;
    if (displayWidth(longer) > width && stripVTControlCharacters(line).trim() !== '') {
      lines.push(line);
      line = indent + word;
    } else line = longer;
  }
  lines.push(line);
  return lines;
}
