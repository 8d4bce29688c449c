import { parse } from 'dotenv';
import { withoutBlankLines } from './blank-lines.ts';

/**
 * The text of an env file with one variable set. Only the variable's line changes, its last one, since that one counts; every
 * other byte stays. A variable the file does not set goes below its commented-out line if there is one, else to the end. Null
 * when that cannot be done without touching more, as in a value that spans lines.
 */
export function setEnvVariable(text: string, name: string, value: string): string | null {
  const before = parseEnv(text);
  if (before[name] === value) return text;
  const written = quote(value);
  if (written === null || before[name]?.includes('\n') === true) return null;
  const lines = linesOf(text);
  const changed = replaceLine(lines, name, written) ?? insertLine(lines, name, written, text);
  const after = parseEnv(changed);
  const isSafe = after[name] === value && sameBut(before, after, name);
  return isSafe ? changed : null;
}

/**
 * The text of an env file without a variable: each of its lines goes, every other byte stays. Null when that cannot be done
 * without touching more, as with a value that spans lines.
 */
export function unsetEnvVariable(text: string, name: string): string | null {
  const before = parseEnv(text);
  if (before[name] === undefined) return text;
  const mark = text.startsWith('\uFEFF') ? '\uFEFF' : '';
  const pattern = linePattern(name);
  const lines = linesOf(text);
  const own = lines.filter((line) => pattern.test(line));
  if (own.some((line) => isOpenQuote(pattern.exec(line)?.[2] ?? ''))) return null;
  const kept = lines.filter((line) => !own.includes(line)).join('');
  const changed = kept.startsWith(mark) ? kept : `${mark}${kept}`;
  const after = parseEnv(changed);
  return after[name] === undefined && sameBut(before, after, name) ? changed : null;
}

/** A quote that does not end in its line. */
function isOpenQuote(rest: string): boolean {
  return /^['"`]/.test(rest) && !QUOTED.test(rest);
}

/** With their ends. */
function linesOf(text: string): string[] {
  return text.split(/(?<=\n|\r(?!\n))/);
}

/** A line that sets the variable, in the forms dotenv reads: `NAME=value`, `export NAME=value`, `NAME: value`. Its value is group 2. */
function linePattern(name: string): RegExp {
  return new RegExp(`^(\\uFEFF?[ \\t]*(?:export[ \\t]+)?${name}[ \\t]*(?:=|:(?=[ \\t]))[ \\t]*)([^\\r\\n]*)`);
}

/** A value in quotes; what follows it in its line is group 1. */
const QUOTED = /^(?:'(?:\\'|[^'])*'|"(?:\\"|[^"])*"|`(?:\\`|[^`])*`)([ \t]*(?:#.*)?)$/;

/** A value as it stands in an env file: bare, or in quotes it does not hold; null when it holds all of them or a line break. */
export function quote(value: string): string | null {
  if (/^[\p{L}\p{N}_.~:/@+,%=?&*-]*$/u.test(value)) return value;
  if (/[\r\n\u2028\u2029]/.test(value)) return null;
  // No double quotes: dotenv reads \n inside them as a line break.
  const mark = ["'", '`'].find((candidate) => !value.includes(candidate));
  return mark === undefined ? null : `${mark}${value}${mark}`;
}

function replaceLine(lines: readonly string[], name: string, written: string): string | null {
  const pattern = linePattern(name);
  const at = lines.findLastIndex((line) => pattern.test(line));
  if (at === -1) return null;
  const line = lines[at] as string;
  const [whole, head, rest] = pattern.exec(line) as unknown as [string, string, string];
  const comment = commentAfterValue(rest);
  const gap = comment.startsWith('#') ? ' ' : '';
  return [...lines.slice(0, at), `${head}${written}${gap}${comment}${line.slice(whole.length)}`, ...lines.slice(at + 1)].join('');
}

/** What follows the value in its line, the blanks before a comment included. */
function commentAfterValue(rest: string): string {
  const quoted = QUOTED.exec(rest);
  if (quoted !== null) return quoted[1] as string;
  const hash = rest.indexOf('#');
  const end = hash === -1 ? rest.length : hash;
  return rest.slice(rest.slice(0, end).trimEnd().length);
}

function insertLine(lines: readonly string[], name: string, written: string, text: string): string {
  const end = text.includes('\r\n') ? '\r\n' : '\n';
  const line = `${name}=${written}`;
  const comment = new RegExp(`^[ \\t]*#[ \\t]*(?:export[ \\t]+)?${name}[ \\t]*=`);
  const at = lines.findLastIndex((candidate) => comment.test(candidate));
  const place = at === -1 ? lines.length : at + 1;
  const head = lines.slice(0, place).join('');
  const tail = lines.slice(place).join('');
  return `${head}${head === '' || /[\r\n]$/.test(head) ? '' : end}${line}${end}${tail}`;
}

function parseEnv(text: string): Readonly<Record<string, string>> {
  return parse(withoutBlankLines(text));
}

function sameBut(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>, name: string): boolean {
  const others = (values: Readonly<Record<string, string>>) => Object.entries(values).filter(([key]) => key !== name);
  return JSON.stringify(others(a)) === JSON.stringify(others(b));
}
