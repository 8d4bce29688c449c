import type { Style } from '../../ui/style.ts';
import { displayWidth, wrapToWidth } from '../../ui/width.ts';
import { parseLogLine } from './entries.ts';

/** Below so many columns for the text, further lines begin near the edge. */
const TEXT_MIN = 40;
const LEVEL_WIDTH = 5;

/**
 * A line of a log for reading: time, level, message, then the rest as `name=value`; without a width on one line, else wrapped at
 * blanks. A line that bears no time stays as it is. Control characters, which could drive the terminal, are shown as `?`.
 */
export function renderLogLine(line: string, style: Style, width = Number.POSITIVE_INFINITY): string[] {
  const { ts, level, message, details } = parseLogLine(line);
  if (ts === null) {
    const text = printable(line);
    const margin = /^\s{0,8}/.exec(text)?.[0] ?? '';
    return wrap(text.slice(margin.length), width - margin.length).map((part) => `${margin}${part}`);
  }
  const rest = Object.entries(details).map(([name, value]) => `${name}=${valueText(value)}`);
  const time = printable(ts);
  const word = printable(level ?? '').padEnd(LEVEL_WIDTH);
  const head = `${style.dim(time)}  ${paintOf(level, style)(word)}  `;
  const indent = displayWidth(`${time}  ${word}  `);
  const text = printable([message, ...(rest.length === 0 ? [] : [rest.join(' ')])].join('  '));
  const room = width - indent;
  const lines = room >= TEXT_MIN ? wrap(text, room) : wrapAfter(text, indent, width);
  const behind = ' '.repeat(room >= TEXT_MIN ? indent : 2);
  return dimDetails(lines, message, style).map((part, n) => `${n === 0 ? head : behind}${part}`);
}

/** The first line beside the head, all others nearly as wide as the terminal. */
function wrapAfter(text: string, indent: number, width: number): string[] {
  const room = Math.max(width - indent, 1);
  const [first = ''] = wrapToWidth(text, room);
  const rest = text.slice(first.length).trimStart();
  return rest === '' ? [first] : [first.trimEnd(), ...wrap(rest, Math.max(width - 2, 10))];
}

function wrap(text: string, width: number): string[] {
  return width === Number.POSITIVE_INFINITY ? [text] : wrapToWidth(text, width).map((line) => line.trimEnd());
}

/** What follows the message is dimmed. */
function dimDetails(lines: readonly string[], message: string, style: Style): string[] {
  let left = printable(message).replaceAll(/ +/g, '').length;
  return lines.map((line) => {
    let at = 0;
    while (at < line.length && left > 0) {
      if (line[at] !== ' ') left -= 1;
      at += 1;
    }
    const rest = line.slice(at);
    return rest.trim() === '' ? line : `${line.slice(0, at)}${style.dim(rest)}`;
  });
}

function paintOf(level: string | null, style: Style): (text: string) => string {
  if (level === 'error' || level === 'fatal') return style.bad;
  return level === 'warn' ? style.warn : (text) => text;
}

function valueText(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}

function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}]/gu, (character) => (character === '\t' ? character : '?'));
}
