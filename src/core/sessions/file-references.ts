import { endOfValue, isBareQuote, kindAt } from '../json/json-bytes.ts';
import { nextItem, valueAfterKey } from '../json/members.ts';
import type { HoldingKind } from './uploaded-files.ts';

/**
 * How Kimi's chats name an uploaded file: `"url":"ms://<id>"`, and the same from encoders that escape slashes. Two searches,
 * because each hit costs as much as many bytes, and one for what they share would stop at every `"items":`.
 */
const SCHEMES = ['ms://', 'ms:\\/\\/'] as const;
/**
 * How the other protocols do: `"file_id":"<id>"` (Responses, chat completions, Anthropic), `"input_file_id"` (batches),
 * `"file_ids":["<id>"]` (containers, attachments).
 */
const MEMBER = 'file_id';
const LETTER_S = 0x73;
const UNDERSCORE = 0x5f;
const ID_MAX = 128;
/** The upstream takes 2 MiB of messages. */
const SEARCH_BYTES = 2 * 1024 * 1024 + 65_536;

/** Which account holds a file; null when the id is of no file that is known. */
export type AccountOf = (id: string) => string | null;

/**
 * The account of the first known file that a JSON body names. Only whole values count: a text that speaks of a file, or a
 * tool call that is carried along as text, sends a request nowhere. The search reads the whole body: ask only while a file
 * is known to have been uploaded.
 */
export function findFileAccount(chunks: readonly Buffer[], accountOf: AccountOf): string | null {
  const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks as Buffer[]);
  const bytes = body.subarray(0, SEARCH_BYTES);
  for (const scheme of SCHEMES) {
    const account = accountByScheme(bytes, scheme, accountOf);
    if (account !== null) return account;
  }
  return accountByMember(bytes, accountOf);
}

function accountByScheme(bytes: Buffer, scheme: string, accountOf: AccountOf): string | null {
  for (let at = bytes.indexOf(scheme); at !== -1; at = bytes.indexOf(scheme, at + scheme.length)) {
    const account = isBareQuote(bytes, at - 1) ? accountOf(idAt(bytes, at + scheme.length)) : null;
    if (account !== null) return account;
  }
  return null;
}

function accountByMember(bytes: Buffer, accountOf: AccountOf): string | null {
  for (let at = bytes.indexOf(MEMBER); at !== -1; at = bytes.indexOf(MEMBER, at + MEMBER.length)) {
    const behind = at + MEMBER.length;
    const close = bytes[behind] === LETTER_S ? behind + 1 : behind;
    // A quote within a text is escaped, so one right behind a letter ends a string.
    if (!isBareQuote(bytes, close) || !isBareQuote(bytes, startOfName(bytes, at))) continue;
    const value = valueAfterKey(bytes, close);
    const account = value === -1 ? null : accountInValue(bytes, value, accountOf);
    if (account !== null) return account;
  }
  return null;
}

/** Of an id, or of the first known one in an array of them. */
function accountInValue(bytes: Buffer, value: number, accountOf: AccountOf): string | null {
  if (kindAt(bytes, value) === 'string') return accountOf(idAt(bytes, value + 1));
  if (kindAt(bytes, value) !== 'array') return null;
  for (let at = nextItem(bytes, value); kindAt(bytes, at) === 'string'; ) {
    const account = accountOf(idAt(bytes, at + 1));
    if (account !== null) return account;
    const end = endOfValue(bytes, at);
    at = end === -1 ? -1 : nextItem(bytes, end);
  }
  return null;
}

/** Where the quote before a name should stand, whose last word begins at `at`: `input_file_id`, but not `profile_id`. */
function startOfName(bytes: Buffer, at: number): number {
  let start = at - 1;
  if (bytes[start] === UNDERSCORE) while (isIdByte(bytes[start])) start -= 1;
  return start;
}

/** What stands there of an id; '' when nothing does. */
function idAt(bytes: Buffer, from: number): string {
  let to = from;
  while (to - from < ID_MAX && isIdByte(bytes[to])) to += 1;
  return bytes.toString('latin1', from, to);
}

/** Letters, digits, `-`, `_`, `.`. */
function isIdByte(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x2d ||
    byte === 0x5f ||
    byte === 0x2e
  );
}

/** The account of the first known file or batch in a path such as `/files/<id>/content` or a query such as `?after=<id>`. */
export function fileAccountInTarget(endpoint: string, query: string, accountOf: AccountOf): string | null {
  for (const segment of endpoint.split('/')) {
    const account = accountOf(segment);
    if (account !== null) return account;
  }
  if (query === '') return null;
  for (const value of new URLSearchParams(query).values()) {
    for (const id of value.split(',')) {
      const account = accountOf(id);
      if (account !== null) return account;
    }
  }
  return null;
}

const BATCHES = /^(?:\/messages)?\/batches(?:\/|$)/;

/** What the answers of an endpoint name that its account holds; null for most. */
export function holdingsOf(endpoint: string): HoldingKind | null {
  if (endpoint === '/files') return 'file';
  return BATCHES.test(endpoint) ? 'batch' : null;
}

/** What a GET of this endpoint lists; null when it lists nothing that an account holds. */
export function listedAt(endpoint: string): HoldingKind | null {
  return endpoint === '/files' ? 'file' : endpoint === '/batches' || endpoint === '/messages/batches' ? 'batch' : null;
}
