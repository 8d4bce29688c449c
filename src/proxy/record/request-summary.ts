import { endOfValue, kindAt } from '../../core/json/json-bytes.ts';
import { textAt } from '../../core/json/json-text.ts';
import { findName, findNameBack, needleOf, valueAfterKey } from '../../core/json/members.ts';
import { redact } from '../../core/text/redact.ts';
import { LOOK_BACK_BYTES, lastUserText } from './user-text.ts';

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

const ROLE = needleOf('role');
const CONTENT = needleOf('content');
const TEXT = needleOf('text');

/**
 * The first words the user said last: what clients add in `<...>` blocks is passed over, and so are the results of tools. A body
 * without any gives those of its last message.
 */
export function summarisePrompt(chunks: readonly Buffer[]): PromptSummary {
  const last = chunks.at(-1);
  if (last === undefined) return NOTHING;
  // What is wanted nearly always lies in the last chunk; joining the chunks of a large body costs as much as sending it.
  const said = lastUserText(last) ?? (chunks.length === 1 ? null : lastUserText(joinedEnd(chunks)));
  if (said !== null) return summariseText(said);
  return summariseLastMessage(last) ?? (chunks.length === 1 ? null : summariseLastMessage(Buffer.concat(chunks))) ?? NOTHING;
}

/** The last chunks, as many as `lastUserText` looks at. */
function joinedEnd(chunks: readonly Buffer[]): Buffer {
  let first = chunks.length;
  for (let length = 0; first > 0 && length < LOOK_BACK_BYTES; length += (chunks[first] as Buffer).length) first -= 1;
  return Buffer.concat(chunks.slice(first));
}

/**
 * The text of the last message. Looks for the last `"role": "…"` of the body instead of parsing it: bodies of agents are 88 KB
 * and more, and a full parse would cost more than forwarding them. Inside strings quotes are escaped, so a match is always a real
 * key.
 */
function summariseLastMessage(body: Buffer): PromptSummary | null {
  let end = body.length;
  for (let n = 0; n < CANDIDATES_MAX; n++) {
    const role = findNameBack(body, ROLE, end);
    if (role === -1) return null;
    if (kindAt(body, valueAfterKey(body, role)) === 'string') return summariseText(messageText(body, role, end));
    end = role - ROLE.length;
  }
  return null;
}

/**
 * The text of the message whose `"role"` key closes at `role`: its `"content"` string, or the first text of its content
 * parts. `content` stands after `role` in every client seen; when it stands before, the text nearest before is taken.
 */
function messageText(body: Buffer, role: number, end: number): string {
  const content = findName(body, CONTENT, role);
  if (content !== -1 && content - CONTENT.length < end) return contentText(body, content);
  const open = role - ROLE.length;
  const before = body.subarray(Math.max(0, open - SCAN_BYTES), open);
  return contentText(before, findNameBack(before, CONTENT, before.length));
}

/** A content string, or the first text of an array of parts: a `"text"`, else a tool result's own `"content"`. */
function contentText(body: Buffer, key: number): string {
  const start = key === -1 ? -1 : valueAfterKey(body, key);
  const kind = kindAt(body, start);
  if (kind === 'string') return textAt(body, start, SCAN_BYTES);
  if (kind !== 'array') return '';
  const near = body.subarray(start, start + PARTS_MAX_BYTES);
  const end = endOfValue(near, 0);
  const parts = end === -1 ? near : near.subarray(0, end);
  return firstString(parts, TEXT) ?? firstString(parts, CONTENT) ?? '';
}

/** The first string that is the value of `key`; `"type":"text"` has the same word as a value. */
function firstString(body: Buffer, key: Buffer): string | null {
  for (let close = findName(body, key, 0); close !== -1; close = findName(body, key, close)) {
    const value = valueAfterKey(body, close);
    if (kindAt(body, value) === 'string') return textAt(body, value, SCAN_BYTES);
  }
  return null;
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
