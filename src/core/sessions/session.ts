import { BodyBytes } from '../json/body-bytes.ts';
import { kindAt, skipSpace } from '../json/json-bytes.ts';
import { findAnywhere, findNear, type KnownPlaces } from '../json/top-level-member.ts';
import { hashConversationHead } from './conversation-head.ts';
import { hashText } from './session-hash.ts';

/** What named the session: a header, the body's `prompt_cache_key` or `metadata.user_id`, or the conversation's head. */
export type SessionSource = 'header' | 'prompt_cache_key' | 'user_id' | 'head';

/** `id` is 1 to 2^53 - 1, the same in every process; the session's own name cannot be told from it. */
export type Session = { readonly id: number; readonly source: SessionSource };

/** The value of a header by its lower-case name. */
export type HeaderLookup = (name: string) => string | undefined;

/** Claude Code, OpenCode, and what others send (docs/kimi-api.md#session-names); the first that is there counts. */
const HEADERS = ['x-claude-code-session-id', 'x-session-affinity', 'session-id', 'session_id', 'x-session-id'] as const;
const CACHE_KEY = { name: 'prompt_cache_key', kind: 'string' } as const;
const METADATA = { name: 'metadata', kind: 'object' } as const;
/** A longer header names no session. */
const NAME_MAX = 512;

const NOBODY = () => false;

/**
 * The session a request belongs to, or null. Reads no more than it must: a header is enough, then the ends of the body,
 * and only the first request of a client that names no session costs a search through it; the next are known by their
 * head, which `isKnown` tells of an id. `places` is kept from request to request.
 */
export function findSession(
  header: HeaderLookup,
  chunks: readonly Buffer[],
  places: KnownPlaces,
  isKnown: (id: number) => boolean = NOBODY,
): Session | null {
  return findInHeader(header) ?? (chunks.length === 0 ? null : findInBody(new BodyBytes(chunks), places, isKnown));
}

function findInHeader(header: HeaderLookup): Session | null {
  for (const name of HEADERS) {
    const value = header(name);
    if (value !== undefined && value !== '' && value.length <= NAME_MAX) return { id: hashText(value), source: 'header' };
  }
  return null;
}

/** The same, but only a session that the client names in a header or near an end of the body: enough for keeping books. */
export function findNamedSession(header: HeaderLookup, chunks: readonly Buffer[], places: KnownPlaces): Session | null {
  const inHeader = findInHeader(header);
  if (inHeader !== null || chunks.length === 0) return inHeader;
  const body = new BodyBytes(chunks);
  return isObject(body) ? nameIn(body, findNear, places) : null;
}

function isObject(body: BodyBytes): boolean {
  const start = body.slice(0, 16);
  return kindAt(start, skipSpace(start, 0)) === 'object';
}

function nameIn(body: BodyBytes, find: typeof findNear, places: KnownPlaces): Session | null {
  const key = find(body, CACHE_KEY, places);
  if (key !== null && key.length > 2) return { id: hashText(unquote(key)), source: 'prompt_cache_key' };
  const metadata = find(body, METADATA, places);
  const user = metadata === null ? null : userIdOf(metadata);
  return user === null ? null : { id: hashText(sessionOfUser(user)), source: 'user_id' };
}

function findInBody(body: BodyBytes, places: KnownPlaces, isKnown: (id: number) => boolean): Session | null {
  if (!isObject(body)) return null;
  // Both near before either far: a client that sends the second would else pay a search for the first.
  const near = nameIn(body, findNear, places);
  if (near !== null) return near;
  const head = hashConversationHead(body);
  // No request of this conversation named a session before: this one need not be searched for a name.
  const far = head !== null && isKnown(head) ? null : nameIn(body, findAnywhere, places);
  return far ?? (head === null ? null : { id: head, source: 'head' });
}

/** Session ids are ASCII; what is escaped in one stays escaped, which is as good a name. */
function unquote(value: Buffer): string {
  return value.toString('latin1', 1, value.length - 1);
}

/** `user_id` of a `metadata` object, which is a few hundred bytes at most. */
function userIdOf(metadata: Buffer): string | null {
  try {
    const { user_id: user } = JSON.parse(metadata.toString('utf8')) as { user_id?: unknown };
    return typeof user === 'string' && user !== '' ? user : null;
  } catch {
    return null;
  }
}

const CLAUDE_CODE_USER = /_session_([0-9A-Za-z-]{8,64})$/;
const JSON_USER = /"session_id"\s*:\s*"([^"\\]{1,200})"/;

/**
 * The session inside a `user_id`: `user_…_account_…_session_<uuid>` or a JSON text with `session_id`, as Claude Code
 * sends; else all of it, which kimi-code sets to its session id (docs/kimi-api.md#session-names).
 */
export function sessionOfUser(userId: string): string {
  return CLAUDE_CODE_USER.exec(userId)?.[1] ?? JSON_USER.exec(userId)?.[1] ?? userId;
}

/** Short text form of a session id, for traces and tables: base 36, at most 11 characters. */
export function formatSession(id: number): string {
  return id.toString(36);
}
