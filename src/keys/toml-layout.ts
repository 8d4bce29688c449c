// Where things stand in a TOML text, for edits that leave every other byte alone. Loaded on demand, with the parser.
import { parseToml } from '../files/toml-text.ts';

/** Names from the root; null for a step into an array. Cut after `DEEPEST` steps; no caller asks for more. */
export type TomlPath = readonly (string | null)[];
export type Span = { readonly start: number; readonly end: number };

export type TomlPair = {
  readonly path: TomlPath;
  /** How many steps of the path come from the table around the pair; the rest is the key as written. */
  readonly outerSteps: number;
  /** The key's dotted parts as written, quotes included. */
  readonly parts: readonly Span[];
  readonly value: Span;
  readonly inline: boolean;
};

export type TomlHeader = {
  readonly path: TomlPath;
  readonly parts: readonly Span[];
  /** From the bracket to the end of the line, comment included, line ending not. */
  readonly line: Span;
};

export type TomlLayout = {
  readonly pairs: readonly TomlPair[];
  readonly headers: readonly TomlHeader[];
  /** `inside` is what stands between the braces. */
  readonly inlineTables: readonly { readonly path: TomlPath; readonly inside: Span }[];
};

const DEEPEST = 4;

/** Maps a text that the parser has accepted. Throws on a text that is not TOML, and may misread one; verify what is made of it. */
export function mapToml(text: string): TomlLayout {
  const pairs: TomlPair[] = [];
  const headers: TomlHeader[] = [];
  const inlineTables: { path: TomlPath; inside: Span }[] = [];
  let at = text.startsWith('\uFEFF') ? 1 : 0;

  function skip(pattern: RegExp): void {
    pattern.lastIndex = at;
    at += pattern.exec(text)?.[0].length ?? 0;
  }

  /** White space, line endings and comments. */
  function skipVoid(): void {
    for (skip(SPACE); text[at] === '#'; skip(SPACE)) skip(COMMENT);
  }

  function expect(character: string): void {
    if (text[at] !== character) throw new Error(`not TOML at offset ${at}`);
    at += 1;
  }

  function readString(): Span {
    const start = at;
    const quote = text.charAt(at);
    const fence = text.startsWith(quote.repeat(3), at) ? quote.repeat(3) : quote;
    at += fence.length;
    while (!text.startsWith(fence, at)) {
      if (at >= text.length) throw new Error('unfinished string');
      at += quote === '"' && text[at] === '\\' ? 2 : 1;
    }
    at += fence.length;
    // A multi-line string may end in one or two quotes of its own.
    for (let more = 0; more < 2 && fence.length === 3 && text[at] === quote; more += 1) at += 1;
    return { start, end: at };
  }

  function readKey(): { names: string[]; parts: Span[] } {
    const names: string[] = [];
    const parts: Span[] = [];
    while (true) {
      skip(BLANKS);
      const start = at;
      if (text[at] === '"' || text[at] === "'") readString();
      else skip(BARE_KEY);
      if (at === start) throw new Error(`no key at offset ${at}`);
      parts.push({ start, end: at });
      names.push(nameOf(text.slice(start, at)));
      skip(BLANKS);
      if (text[at] !== '.') return { names, parts };
      at += 1;
    }
  }

  function readPair(outer: TomlPath, inline: boolean): void {
    const { names, parts } = readKey();
    expect('=');
    skip(BLANKS);
    const path = extend(outer, names);
    // Before its own inner pairs, so that pairs stay in text order.
    const index = pairs.length;
    pairs.push({ path, outerSteps: outer.length, parts, value: { start: at, end: at }, inline });
    pairs[index] = { path, outerSteps: outer.length, parts, value: readValue(path), inline };
  }

  function readValue(path: TomlPath): Span {
    const start = at;
    const first = text.charAt(at);
    if (first === '"' || first === "'") return readString();
    if (first === '[') readItems(']', () => readValue(extend(path, [null])));
    else if (first === '{') {
      const inside = readItems('}', () => readPair(path, true));
      inlineTables.push({ path, inside });
    } else {
      skip(SCALAR);
      if (at === start) throw new Error(`no value at offset ${at}`);
      return { start, end: start + text.slice(start, at).trimEnd().length };
    }
    return { start, end: at };
  }

  function readItems(closing: string, readItem: () => unknown): Span {
    at += 1;
    const start = at;
    while (true) {
      skipVoid();
      if (text[at] === closing) break;
      if (text[at] === ',') at += 1;
      else readItem();
    }
    at += 1;
    return { start, end: at - 1 };
  }

  let table: TomlPath = [];
  for (skipVoid(); at < text.length; skipVoid()) {
    if (text[at] !== '[') {
      readPair(table, false);
      continue;
    }
    const start = at;
    const isArray = text[at + 1] === '[';
    at += isArray ? 2 : 1;
    const { names, parts } = readKey();
    expect(']');
    if (isArray) expect(']');
    skip(REST_OF_LINE);
    table = extend([], isArray ? [...names.slice(0, DEEPEST), null] : names);
    headers.push({ path: table, parts, line: { start, end: at } });
  }
  return { pairs, headers, inlineTables };
}

export function isSamePath(path: TomlPath, names: readonly string[]): boolean {
  return path.length === names.length && names.every((name, index) => path[index] === name);
}

export function isBelowPath(path: TomlPath, names: readonly string[]): boolean {
  return path.length > names.length && names.every((name, index) => path[index] === name);
}

const BLANKS = /[ \t]*/y;
const BARE_KEY = /[A-Za-z0-9_-]*/y;
const SCALAR = /[^,\]}#\r\n]*/y;
const REST_OF_LINE = /[^\r\n]*/y;
const SPACE = /[ \t\r\n]*/y;
const COMMENT = /[^\n]*/y;

function nameOf(written: string): string {
  if (written.startsWith("'")) return written.slice(1, -1);
  if (!written.startsWith('"')) return written;
  if (!written.includes('\\')) return written.slice(1, -1);
  const parsed = parseToml(`name = ${written}`);
  return 'data' in parsed ? String(parsed.data.name) : written;
}

function extend(path: TomlPath, names: TomlPath): TomlPath {
  return path.length >= DEEPEST ? path : [...path, ...names.slice(0, DEEPEST - path.length)];
}
