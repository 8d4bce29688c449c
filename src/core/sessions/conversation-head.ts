import type { BodyBytes } from '../json/body-bytes.ts';
import { kindAt, skipSpace } from '../json/json-bytes.ts';
import { type Span, spanAt } from '../json/json-text.ts';
import { findName, Members, needleOf, nextItem, valueAfterKey } from '../json/members.ts';
import { addBytes, addNumber, finishHash, type HashState, newHash } from './session-hash.ts';

/** How much of a body may stand before the end of the first user message. Tried in turn: the first is mostly one chunk. */
const HEAD_BYTES = [32 * 1024, 256 * 1024] as const;
/** Of the system prompt: enough to tell a main agent from its helpers. */
const SYSTEM_BYTES = 1024;
/** Of either end of the first user message: clients put shared context at its beginning, what was typed at its end. */
const USER_END_BYTES = 1024;
const PARTS_MAX = 64;
const SEED = 0x6b6d69;

const MESSAGES = needleOf('messages');
const INPUT = needleOf('input');
const SYSTEM = needleOf('system');

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
  if (kindAt(bytes, skipSpace(bytes, 0)) !== 'object') return null;
  const list = keyWithArray(bytes, MESSAGES) ?? keyWithArray(bytes, INPUT);
  if (list === null) return null;
  const hash = newHash(SEED);
  const system = textsBefore(bytes, list);
  if (system.length > 0) addPrefix(hash, bytes, system, SYSTEM_BYTES);
  for (let at = nextItem(bytes, list); kindAt(bytes, at) === 'object'; ) {
    const message = readMessage(bytes, at);
    if (message === null) return null;
    if (message.role === 'user') {
      if (message.texts.length === 0) return null;
      addBothEnds(hash, bytes, message.texts);
      return finishHash(hash);
    }
    addPrefix(hash, bytes, message.texts, SYSTEM_BYTES);
    at = nextItem(bytes, message.end);
  }
  return null;
}

/** The `[` of the first member of that name whose value is an array of objects. */
function keyWithArray(bytes: Buffer, name: Buffer): number | null {
  for (let close = findName(bytes, name, 0); close !== -1; close = findName(bytes, name, close)) {
    const value = valueAfterKey(bytes, close);
    if (kindAt(bytes, value) === 'array' && kindAt(bytes, nextItem(bytes, value)) === 'object') return value;
  }
  return null;
}

/** The Anthropic `system` (a string or parts), where it stands before the messages. */
function textsBefore(bytes: Buffer, list: number): readonly Span[] {
  const before = bytes.subarray(0, list);
  const close = findName(before, SYSTEM, 0);
  return close === -1 ? [] : textsOf(before, valueAfterKey(before, close));
}

function readMessage(bytes: Buffer, open: number): Message | null {
  let role = '';
  let texts: readonly Span[] = [];
  const members = new Members(bytes, open);
  while (members.next()) {
    if (members.isNamed('role')) role = wordAt(bytes, members.value);
    else if (members.isNamed('content')) texts = textsOf(bytes, members.value);
  }
  return members.end === -1 ? null : { role, texts, end: members.end };
}

function wordAt(bytes: Buffer, value: number): string {
  const span = spanAt(bytes, value);
  return span === null ? '' : bytes.toString('latin1', span.from, span.to);
}

/** The text of a content: the string itself, or the `text` of each of its parts. */
function textsOf(bytes: Buffer, value: number): readonly Span[] {
  const text = spanAt(bytes, value);
  if (text !== null) return [text];
  const texts: Span[] = [];
  if (kindAt(bytes, value) !== 'array') return texts;
  for (let at = nextItem(bytes, value); kindAt(bytes, at) === 'object' && texts.length < PARTS_MAX; ) {
    const part = new Members(bytes, at);
    while (part.next()) {
      const span = part.isNamed('text') ? spanAt(bytes, part.value) : null;
      if (span !== null) texts.push(span);
    }
    if (part.end === -1) return texts;
    at = nextItem(bytes, part.end);
  }
  return texts;
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
