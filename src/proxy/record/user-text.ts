import {
  COMMA,
  endOfValue,
  kindAt,
  QUOTE,
  skipSpace,
  skipSpaceBack,
  startOfString,
  startOfValue,
} from '../../core/json/json-bytes.ts';
import { findNameBack, isName, keyBefore, Members, needleOf, nextItem, valueAfterKey } from '../../core/json/members.ts';
import { ownTextAt } from './own-text.ts';

/** How far back the last text of the user is looked for. An agent's steps since then may be many, and they are not all worth reading. */
export const LOOK_BACK_BYTES = 256 * 1024;
/** How many `"user"` strings on that way are looked at. */
const CANDIDATES_MAX = 64;
/** How much of a content that stands before its role is looked through for where it begins. */
const BEFORE_MAX_BYTES = 64 * 1024;

const USER = needleOf('user');

/**
 * The beginning of the last text that a message of the role `user` has of its own, without the blocks that clients put there;
 * null when there is none near the end of the body. Searches bytes from the end, as `summarisePrompt` does.
 */
export function lastUserText(body: Buffer): string | null {
  const near = body.length > LOOK_BACK_BYTES ? body.subarray(body.length - LOOK_BACK_BYTES) : body;
  let end = near.length;
  for (let n = 0; n < CANDIDATES_MAX; n++) {
    const close = findNameBack(near, USER, end);
    if (close === -1) return null;
    const value = close - USER.length;
    end = value;
    const role = keyBefore(near, value);
    if (role === -1 || !isName(near, role, 'role')) continue;
    const text = textOfContent(near, contentBeside(near, role - 'role"'.length, close));
    if (text !== null) return text;
  }
  return null;
}

const TEXT_TYPES = ['text', 'input_text'];

/** The value of the `"content"` in the same object as a role, whose key opens at `open` and whose value closes at `close`; -1: none. */
function contentBeside(body: Buffer, open: number, close: number): number {
  for (let end = close + 1; end !== -1; ) {
    const border = skipSpace(body, end);
    if (body[border] !== COMMA) break;
    const key = skipSpace(body, border + 1);
    const next = body[key] === QUOTE ? endOfValue(body, key) : -1;
    const member = next === -1 ? -1 : valueAfterKey(body, next - 1);
    if (member === -1) break;
    if (isName(body, next - 1, 'content')) return member;
    end = endOfValue(body, member);
  }
  return contentBefore(body, open);
}

/** The same where the content stands before the role: members are walked back from the role's opening quote. */
function contentBefore(body: Buffer, open: number): number {
  const from = Math.max(0, open - BEFORE_MAX_BYTES);
  const near = body.subarray(from, open);
  let border = skipSpaceBack(near, near.length - 1);
  while (near[border] === COMMA) {
    const value = startOfValue(near, skipSpaceBack(near, border - 1));
    const close = value === -1 ? -1 : keyBefore(near, value);
    if (close === -1) return -1;
    if (isName(near, close, 'content')) return from + value;
    border = skipSpaceBack(near, startOfString(near, close) - 1);
  }
  return -1;
}

/** What the user said in a content: its string, or the last of its parts that is a text and says something. Results of tools are none. */
function textOfContent(body: Buffer, content: number): string | null {
  const kind = content === -1 ? 'other' : kindAt(body, content);
  if (kind === 'string') return ownTextAt(body, content);
  if (kind !== 'array') return null;
  let said: string | null = null;
  for (let at = content, item = nextItem(body, at); item !== -1; item = nextItem(body, at)) {
    if (kindAt(body, item) === 'object') said = textOfPart(body, item) ?? said;
    at = endOfValue(body, item);
    if (at === -1) break;
  }
  return said;
}

function textOfPart(body: Buffer, item: number): string | null {
  const members = new Members(body, item);
  while (members.next()) {
    if (members.isNamed('text')) return ownTextAt(body, members.value);
    // A result of a tool may be long, and its type comes first.
    if (members.isNamed('type') && !TEXT_TYPES.some((type) => isName(body, members.value + type.length + 1, type))) return null;
  }
  return null;
}
