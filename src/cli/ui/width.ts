/*
 * Unicode's table of wide characters comes from get-east-asian-width (5 KB in the bundle). The rest is ours by trial: string-width
 * takes four times as long for our lines, fast-string-width counts a zero-width space and a tab as
 * other widths than terminals do, and wrap-ansi and fast-wrap-ansi break a path that would stand whole on a line of its own.
 */
import { stripVTControlCharacters } from 'node:util';
import { eastAsianWidth } from 'get-east-asian-width';

/** One column a character, none of which joins with its neighbour: most text. Loading `Intl.Segmenter` takes ms, so it is not asked about this. */
const SIMPLE = /^[\u0020-\u007e\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0482\u048a-\u052f\u2010-\u2026\u2190-\u21ff\u2500-\u259f]*$/;
const ZERO = /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}]+$/u;
const EMOJI = /^\p{Emoji_Presentation}|^\p{Emoji}\ufe0f/u;

let segmenter: Intl.Segmenter | null = null;

function graphemes(text: string): string[] {
  segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  return [...segmenter.segment(text)].map(({ segment }) => segment);
}

function graphemeWidth(grapheme: string): number {
  if (SIMPLE.test(grapheme)) return grapheme.length;
  if (ZERO.test(grapheme)) return 0;
  return EMOJI.test(grapheme) ? 2 : eastAsianWidth(grapheme.codePointAt(0) ?? 0);
}

/** Columns a terminal gives the text: 2 for CJK and emoji, 0 for combining marks and colour. */
export function displayWidth(text: string): number {
  if (SIMPLE.test(text)) return text.length;
  const bare = stripVTControlCharacters(text);
  if (SIMPLE.test(bare)) return bare.length;
  return graphemes(bare).reduce((sum, grapheme) => sum + graphemeWidth(grapheme), 0);
}

/** The text with blanks after it (or before it) up to `width` columns; longer text stays as it is. */
export function padToWidth(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const room = ' '.repeat(Math.max(0, width - displayWidth(text)));
  return align === 'left' ? text + room : room + text;
}

/** Uncoloured text of at most `width` columns; what is longer is cut and ends in `mark`. */
export function cutToWidth(text: string, width: number, mark: string): string {
  if (displayWidth(text) <= width) return text;
  const room = width - displayWidth(mark);
  if (room < 0) return takeColumns(text, width);
  return `${takeColumns(text, room).trimEnd()}${mark}`;
}

function takeColumns(text: string, width: number): string {
  if (SIMPLE.test(text)) return text.slice(0, width);
  let taken = '';
  let used = 0;
  for (const grapheme of graphemes(text)) {
    used += graphemeWidth(grapheme);
    if (used > width) break;
    taken += grapheme;
  }
  return taken;
}

/** What a line is made of: words, and commands in backticks, which stay whole where a line can hold them, so that they can be copied. */
export function wordsOf(text: string, width: number): readonly string[] {
  const words = text.split(' ');
  if (!text.includes('`')) return words;
  const whole: string[] = [];
  for (let n = 0; n < words.length; n++) {
    const word = words[n] as string;
    const end = opensCode(word) ? words.findIndex((other, at) => at > n && opensCode(other)) : -1;
    const command = words.slice(n, end + 1).join(' ');
    if (end === -1 || displayWidth(command) > width) whole.push(word);
    else {
      whole.push(command);
      n = end;
    }
  }
  return whole;
}

/** Begins a command in backticks that it does not end, or ends one. */
function opensCode(word: string): boolean {
  return word.split('`').length % 2 === 0;
}

/** Uncoloured text in lines of at most `width` columns, broken at blanks; a word longer than a line is broken inside. */
export function wrapToWidth(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of wordsOf(text, width)) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (displayWidth(longer) <= width) {
      line = longer;
      continue;
    }
    if (line !== '') lines.push(line);
    line = word;
    while (displayWidth(line) > width) {
      const head = takeColumns(line, Math.max(width, 2));
      if (head === '') break;
      lines.push(head);
      line = line.slice(head.length);
    }
  }
  lines.push(line);
  return lines;
}

/** As `wrapToWidth`, for a text that is coloured in its first words only. */
export function wrapPainted(text: string, width: number): string[] {
  const plain = stripVTControlCharacters(text);
  const [first = '', ...rest] = wrapToWidth(plain, width);
  return plain.startsWith(first) && rest.length > 0
    ? [text.slice(0, text.length - plain.length + first.length), ...rest]
    : [text];
}
