import { redact } from '../../core/text/redact.ts';

/** What the trace says of a prompt: never more than these few words (docs/kmi-manager.md#trace). */
export type PromptSummary = { readonly hint: string; readonly head: string };

const NOTHING: PromptSummary = { hint: '', head: '' };

const HINT_WORDS = 6;
const HINT_CHARACTERS = 60;
/** How much of the last message is looked at for its first words. */
const SCAN_BYTES = 512;
/** How much of the last message's parts is looked through for the first text. */
const PARTS_MAX_BYTES = 4 * 1024 * 1024;
/** How many `"role"` keys are looked at from the end; a schema may hold some that are no message's. */
const CANDIDATES_MAX = 32;

const ROLE = Buffer.from('"role"');
const CONTENT = Buffer.from('"content"');
const TEXT = Buffer.from('"text"');

/**
 * The first words of the last message. Looks for the last `"role": "…"` of the body instead of parsing it: bodies of
 * agents are 88 KB and more, and a full parse would cost more than forwarding them. Inside strings quotes are escaped, so
 * a match is always a real key.
 */
export function summarisePrompt(chunks: readonly Buffer[]): PromptSummary {
  const last = chunks.at(-1);
  if (last === undefined) return NOTHING;
  // The last message nearly always lies in the last chunk; joining the chunks of a large body costs as much as sending it.
  return summariseBody(last) ?? (chunks.length === 1 ? null : summariseBody(Buffer.concat(chunks))) ?? NOTHING;
}

function summariseBody(body: Buffer): PromptSummary | null {
  let end = body.length;
  for (let n = 0; n < CANDIDATES_MAX; n++) {
    const at = body.lastIndexOf(ROLE, end - 1);
    if (at === -1) return null;
    if (body[valueStart(body, at + ROLE.length)] === QUOTE) return summariseText(messageText(body, at, end));
    end = at;
  }
  return null;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Index of the first byte of the value that follows a key; -1 when there is none. */
function valueStart(body: Buffer, from: number): number {
  let at = skipSpace(body, from);
  if (body[at] !== COLON) return -1;
  at = skipSpace(body, at + 1);
  return at < body.length ? at : -1;
}

function skipSpace(body: Buffer, from: number): number {
  let at = from;
  while (body[at] === 0x20 || body[at] === 0x0a || body[at] === 0x0d || body[at] === 0x09) at += 1;
  return at;
}

/**
 * The text of the message whose `"role"` key is at `role`: its `"content"` string, or the first text of its content
 * parts. `content` stands after `role` in every client seen; when it stands before, the text nearest before is taken.
 */
function messageText(body: Buffer, role: number, end: number): string {
  const content = body.indexOf(CONTENT, role);
  if (content !== -1 && content < end) return contentText(body, content);
  const from = Math.max(0, role - SCAN_BYTES);
  const before = body.subarray(from, role);
  const last = before.lastIndexOf(CONTENT);
  return last === -1 ? '' : contentText(before, last);
}

/** A content string, or the first text of an array of parts: a `"text"`, else a tool result's own `"content"`. */
function contentText(body: Buffer, key: number): string {
  const start = valueStart(body, key + CONTENT.length);
  if (start === -1) return '';
  if (body[start] === QUOTE) return readString(body, start);
  if (body[start] !== OPEN_ARRAY) return '';
  const parts = body.subarray(start, endOfArray(body, start));
  return firstString(parts, TEXT) ?? firstString(parts, CONTENT) ?? '';
}

/** The first string that is the value of `key`; `"type":"text"` has the same word as a value. */
function firstString(body: Buffer, key: Buffer): string | null {
  for (let at = body.indexOf(key); at !== -1; at = body.indexOf(key, at + 1)) {
    const value = valueStart(body, at + key.length);
    if (value !== -1 && body[value] === QUOTE) return readString(body, value);
  }
  return null;
}

/** Index behind the array that opens at `open`; strings are jumped over, so an image costs little. */
function endOfArray(body: Buffer, open: number): number {
  const limit = Math.min(body.length, open + PARTS_MAX_BYTES);
  let depth = 0;
  for (let at = open; at < limit; at++) {
    const byte = body[at];
    if (byte === QUOTE) at = closingQuote(body, at);
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) depth += 1;
    else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return limit;
}

/** Index of the quote that ends the string opening at `open`; the body's length when none does. */
function closingQuote(body: Buffer, open: number): number {
  for (let at = body.indexOf(QUOTE, open + 1); at !== -1; at = body.indexOf(QUOTE, at + 1)) {
    let before = at - 1;
    while (body[before] === BACKSLASH) before -= 1;
    if ((at - before) % 2 === 1) return at;
  }
  return body.length;
}

/** A JSON string from its opening quote, at most SCAN_BYTES of it. */
function readString(body: Buffer, open: number): string {
  const limit = Math.min(body.length, open + 1 + SCAN_BYTES);
  let close = open + 1;
  while (close < limit && body[close] !== QUOTE) close += body[close] === BACKSLASH ? 2 : 1;
  const raw = body.toString('utf8', open + 1, Math.min(close, limit));
  return unescapeJson(raw);
}

/** JSON escapes to characters; a cut-off one is dropped. */
function unescapeJson(raw: string): string {
  if (!raw.includes('\\')) return raw;
  return raw.replace(/\\(?:u([0-9a-fA-F]{4})|(.)|$)/gs, (_, hex: string | undefined, char: string | undefined) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    if (char === 'n' || char === 't' || char === 'r') return ' ';
    return char === '"' || char === '\\' || char === '/' ? char : ' ';
  });
}

/** Control, format and lone surrogate characters: what could move a cursor or garble a line. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}]/gu;
/** Text of which `UNPRINTABLE` would find nothing, and which has one UTF-16 unit per character. */
const PLAIN = /^[\x20-\x7e]*$/;

/** At most 6 words and 60 characters, "..." when cut; control characters become spaces, credentials stars. */
export function summariseText(text: string): PromptSummary {
  const end = endOfPlainWords(text);
  if (end !== -1) {
    const words = text.slice(0, end);
    const hint = redact(words, []);
    if (hint === words) return { hint: end < text.length ? `${hint}...` : hint, head: text.slice(0, endOfFirst(hint)) };
  }
  return summariseAny(text);
}

/**
 * Where the words of the hint end in a text that needs no cleaning and no cutting within a word, as most have: printable
 * ASCII in single spaces, and its first six words in 60 characters. -1 for any other.
 */
function endOfPlainWords(text: string): number {
  let words = 0;
  let before = SPACE;
  const limit = Math.min(text.length, HINT_CHARACTERS + 1);
  for (let at = 0; at < limit; at++) {
    const code = text.charCodeAt(at);
    if (!isPlain(code) && (code !== SPACE || before === SPACE)) return -1;
    if (code === SPACE && ++words === HINT_WORDS) return isPlain(text.charCodeAt(at + 1)) ? at : -1;
    before = code;
  }
  return text.length <= HINT_CHARACTERS && before !== SPACE ? text.length : -1;
}

/** A printable ASCII character other than the space. */
function isPlain(code: number): boolean {
  return code > SPACE && code <= TILDE;
}

const SPACE = 0x20;
const TILDE = 0x7e;

function endOfFirst(words: string): number {
  const end = words.indexOf(' ');
  return end === -1 ? words.length : end;
}

function summariseAny(text: string): PromptSummary {
  const clean = PLAIN.test(text) ? text : text.replace(UNPRINTABLE, ' ');
  const words = clean
    .trim()
    .split(/\s+/, HINT_WORDS + 1)
    .filter((word) => word !== '');
  const joined = redact(words.slice(0, HINT_WORDS).join(' '), []);
  const hint = cut(joined);
  const isCut = words.length > HINT_WORDS || hint !== joined;
  return { hint: isCut ? `${hint.trimEnd()}...` : hint, head: cut(joined.split(' ', 1)[0] as string) };
}

/** At most 60 characters, none of them halved. */
function cut(text: string): string {
  if (text.length <= HINT_CHARACTERS) return text;
  return PLAIN.test(text) ? text.slice(0, HINT_CHARACTERS) : [...text].slice(0, HINT_CHARACTERS).join('');
}
