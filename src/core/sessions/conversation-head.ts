import type { BodyBytes } from '../json/body-bytes.ts';
import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  endOfString,
  endOfValue,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  skipSpace,
  valueAfterKey,
} from '../json/json-bytes.ts';
import { addBytes, addNumber, finishHash, type HashState, newHash } from './session-hash.ts';

/** How much of a body may stand before the end of the first user message. Tried in turn: the first is mostly one chunk. */
const HEAD_BYTES = [32 * 1024, 256 * 1024] as const;
/** Of the system prompt: enough to tell a main agent from its helpers. */
const SYSTEM_BYTES = 1024;
/** Of either end of the first user message: clients put shared context at its beginning, what was typed at its end. */
const USER_END_BYTES = 1024;
const PARTS_MAX = 64;
const SEED = 0x6b6d69;

const MESSAGES = 'messages"';
const INPUT = 'input"';
const SYSTEM = 'system"';

/** A text in the body, without its quotes. */
type Span = { readonly from: number; readonly to: number };
type Message = { readonly role: string; readonly texts: readonly Span[]; readonly end: number };

/**
 * An id for a conversation whose client names none: a hash of its system prompt and first user message, which every later
 * request repeats. Texts alone count: a client may turn a string into parts or move a cache mark from request to
 * request. Null when the body is no chat, or its first user message is too far away.
 */
export function hashConversationHead(body: BodyBytes): number | null {
  for (const most of HEAD_BYTES) {
    const hash = hashHead(body.slice(0, most));
    if (hash !== null || body.length <= most) return hash;
  }
  return null;
}

function hashHead(bytes: Buffer): number | null {
  if (bytes[skipSpace(bytes, 0)] !== OPEN_BRACE) return null;
  const list = keyWithArray(bytes, MESSAGES) ?? keyWithArray(bytes, INPUT);
  if (list === null) return null;
  const hash = newHash(SEED);
  const system = textsBefore(bytes, list);
  if (system.length > 0) addPrefix(hash, bytes, system, SYSTEM_BYTES);
  for (let at = skipSpace(bytes, list + 1); bytes[at] === OPEN_BRACE; ) {
    const message = readMessage(bytes, at);
    if (message === null) return null;
    if (message.role === 'user') {
      if (message.texts.length === 0) return null;
      addBothEnds(hash, bytes, message.texts);
      return finishHash(hash);
    }
    addPrefix(hash, bytes, message.texts, SYSTEM_BYTES);
    at = skipSpace(bytes, message.end);
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1);
  }
  return null;
}

/** The `[` of the first member of that name whose value is an array of objects. */
function keyWithArray(bytes: Buffer, name: string): number | null {
  for (let at = bytes.indexOf(name); at !== -1; at = bytes.indexOf(name, at + 1)) {
    if (bytes[at - 1] !== QUOTE) continue;
    const value = valueAfterKey(bytes, at + name.length - 1);
    if (value !== -1 && bytes[value] === OPEN_BRACKET && bytes[skipSpace(bytes, value + 1)] === OPEN_BRACE) return value;
  }
  return null;
}

/** The Anthropic `system` (a string or parts), where it stands before the messages. */
function textsBefore(bytes: Buffer, list: number): readonly Span[] {
  const before = bytes.subarray(0, list);
  const at = before.indexOf(SYSTEM);
  if (at < 1 || before[at - 1] !== QUOTE) return [];
  const value = valueAfterKey(before, at + SYSTEM.length - 1);
  return value === -1 ? [] : textsOf(before, value);
}

function readMessage(bytes: Buffer, open: number): Message | null {
  let role = '';
  let texts: readonly Span[] = [];
  let at = open;
  for (;;) {
    const key = skipSpace(bytes, at + 1);
    if (bytes[key] === CLOSE_BRACE) return { role, texts, end: key + 1 };
    const close = bytes[key] === QUOTE ? endOfString(bytes, key) : -1;
    const value = close === -1 ? -1 : valueAfterKey(bytes, close);
    const end = value === -1 ? -1 : endOfValue(bytes, value);
    if (end === -1) return null;
    if (isKey(bytes, key, close, 'role')) role = bytes.toString('latin1', value + 1, end - 1);
    else if (isKey(bytes, key, close, 'content')) texts = textsOf(bytes, value);
    at = skipSpace(bytes, end);
    if (bytes[at] === CLOSE_BRACE) return { role, texts, end: at + 1 };
    if (bytes[at] !== COMMA) return null;
  }
}

function isKey(bytes: Buffer, open: number, close: number, name: string): boolean {
  return close - open - 1 === name.length && bytes.toString('latin1', open + 1, close) === name;
}

/** The text of a content: the string itself, or the `text` of each of its parts. */
function textsOf(bytes: Buffer, value: number): readonly Span[] {
  if (bytes[value] === QUOTE) {
    const close = endOfString(bytes, value);
    return close === -1 ? [] : [{ from: value + 1, to: close }];
  }
  const texts: Span[] = [];
  if (bytes[value] !== OPEN_BRACKET) return texts;
  for (let at = skipSpace(bytes, value + 1); bytes[at] === OPEN_BRACE && texts.length < PARTS_MAX; ) {
    const end = addPart(bytes, at, texts);
    if (end === -1) return texts;
    at = skipSpace(bytes, end);
    if (bytes[at] === CLOSE_BRACKET) break;
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1);
  }
  return texts;
}

/** Adds the `text` of the part that opens at `open`; returns its end. */
function addPart(bytes: Buffer, open: number, texts: Span[]): number {
  let at = open;
  for (;;) {
    const key = skipSpace(bytes, at + 1);
    if (bytes[key] === CLOSE_BRACE) return key + 1;
    const close = bytes[key] === QUOTE ? endOfString(bytes, key) : -1;
    const value = close === -1 ? -1 : valueAfterKey(bytes, close);
    const end = value === -1 ? -1 : endOfValue(bytes, value);
    if (end === -1) return -1;
    if (bytes[value] === QUOTE && isKey(bytes, key, close, 'text')) texts.push({ from: value + 1, to: end - 1 });
    at = skipSpace(bytes, end);
    if (bytes[at] === CLOSE_BRACE) return at + 1;
    if (bytes[at] !== COMMA) return -1;
  }
}

function addPrefix(hash: HashState, bytes: Buffer, texts: readonly Span[], limit: number): void {
  let left = limit;
  for (const { from, to } of texts) {
    const end = Math.min(to, from + left);
    addBytes(hash, bytes, from, end);
    left -= end - from;
    if (left === 0) return;
  }
}

function addBothEnds(hash: HashState, bytes: Buffer, texts: readonly Span[]): void {
  let length = 0;
  for (const { from, to } of texts) length += to - from;
  addNumber(hash, length);
  addPrefix(hash, bytes, texts, USER_END_BYTES);
  let left = USER_END_BYTES;
  for (let n = texts.length - 1; n >= 0 && left > 0; n--) {
    const { from, to } = texts[n] as Span;
    const start = Math.max(from, to - left);
    addBytes(hash, bytes, start, to);
    left -= to - start;
  }
}
