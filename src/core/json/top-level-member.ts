import type { BodyBytes } from './body-bytes.ts';
import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  endOfString,
  endOfValue,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  skipSpace,
  skipSpaceBack,
  startOfString,
  valueAfterKey,
} from './json-bytes.ts';

/** How far from either end members are read one by one: what clients send beside messages and tools fits in it. */
const END_BYTES = 768;
/** How far from either end of a large body a member is searched for at all. */
const SEARCH_BYTES = 1 << 20;
/** Longest value that is read. Session ids have 36 characters, Claude Code's `user_id` some 200. */
const VALUE_BYTES = 1024;
const PLACES_MAX = 8;

/** What is looked for: a member of the outermost object, by name, whose value begins with `opener`. */
export type WantedMember = { readonly name: string; readonly opener: number };

/**
 * Where members stood in earlier bodies, counted from the end to behind the value. A client sends its tools and options
 * unchanged with every request of a session, so the same place nearly always holds the member again, and neither a
 * search nor a proof is needed.
 */
export class KnownPlaces {
  readonly #places = new Map<string, number[]>();

  of(name: string): readonly number[] {
    return this.#places.get(name) ?? [];
  }

  add(name: string, fromEnd: number): void {
    const others = (this.#places.get(name) ?? []).filter((place) => place !== fromEnd);
    this.#places.set(name, [fromEnd, ...others].slice(0, PLACES_MAX));
  }
}

/**
 * The bytes of the member's value, or null, from where it stood before or among the first and the last members: costs
 * about a microsecond whatever the size of the body.
 */
export function findNear(body: BodyBytes, wanted: WantedMember, places: KnownPlaces): Buffer | null {
  return (
    whereItStood(body, wanted, places) ??
    amongFirst(body.slice(0, END_BYTES), wanted) ??
    remember(amongLast(body, wanted), wanted, places)
  );
}

/** The same for a member that mostly stands among the last. */
export function findNearEnd(body: BodyBytes, wanted: WantedMember, places: KnownPlaces): Buffer | null {
  return (
    whereItStood(body, wanted, places) ??
    remember(amongLast(body, wanted), wanted, places) ??
    amongFirst(body.slice(0, END_BYTES), wanted)
  );
}

function whereItStood(body: BodyBytes, wanted: WantedMember, places: KnownPlaces): Buffer | null {
  for (const place of places.of(wanted.name)) {
    const value = valueEndingAt(body, wanted, body.length - place);
    if (value !== null) return value;
  }
  return null;
}

/**
 * The same by a search through the body, where a hit counts only when it is proven to be a member of the outermost
 * object: tool schemas and tool calls may hold members of the same name.
 */
export function findAnywhere(body: BodyBytes, wanted: WantedMember, places: KnownPlaces): Buffer | null {
  return remember(bySearch(body, wanted), wanted, places);
}

function remember(found: Found | null, { name }: WantedMember, places: KnownPlaces): Buffer | null {
  if (found === null) return null;
  places.add(name, found.fromEnd);
  return found.value;
}

/** The value of `"name":` that ends right before `end`. */
function valueEndingAt(body: BodyBytes, { name, opener }: WantedMember, end: number): Buffer | null {
  if (end < name.length + 5 || end > body.length) return null;
  if (body.byteAt(end - 1) !== (opener === QUOTE ? QUOTE : CLOSE_BRACE)) return null;
  const bytes = body.slice(end - VALUE_BYTES - name.length - 8, end);
  const last = bytes.length - 1;
  const open = opener === QUOTE ? startOfString(bytes, last) : openOfObject(bytes, last);
  if (open === -1) return null;
  const close = keyBefore(bytes, open);
  return close !== -1 && isName(bytes, close, name) ? bytes.subarray(open) : null;
}

function openOfObject(bytes: Uint8Array, close: number): number {
  let depth = 0;
  for (let at = close; at >= 0; at--) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = startOfString(bytes, at);
      if (at === -1) return -1;
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth += 1;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      depth -= 1;
      if (depth === 0) return at;
    }
  }
  return -1;
}

/** The closing quote of the key before the value at `value`; -1 when the value follows no key. */
function keyBefore(bytes: Uint8Array, value: number): number {
  const colon = skipSpaceBack(bytes, value - 1);
  if (bytes[colon] !== COLON) return -1;
  const close = skipSpaceBack(bytes, colon - 1);
  return bytes[close] === QUOTE ? close : -1;
}

/** Whether the string that closes at `close` is exactly `name`. */
function isName(bytes: Uint8Array, close: number, name: string): boolean {
  const open = close - name.length - 1;
  if (open < 0 || bytes[open] !== QUOTE) return false;
  for (let n = 0; n < name.length; n++) if (bytes[open + 1 + n] !== name.charCodeAt(n)) return false;
  return true;
}

/** Reads members from the front until one does not end within `bytes`. */
function amongFirst(bytes: Buffer, { name, opener }: WantedMember): Buffer | null {
  let at = skipSpace(bytes, 0);
  if (bytes[at] !== OPEN_BRACE) return null;
  for (;;) {
    const key = skipSpace(bytes, at + 1);
    if (bytes[key] !== QUOTE) return null;
    const close = endOfString(bytes, key);
    const value = close === -1 ? -1 : valueAfterKey(bytes, close);
    // An array is messages or tools, which are longer than what is looked through here.
    if (value === -1 || (bytes[value] === OPEN_BRACKET && bytes.length === END_BYTES)) return null;
    const end = endOfValue(bytes, value);
    if (end === -1) return null;
    if (close - key - 1 === name.length && bytes[value] === opener && isName(bytes, close, name))
      return bytes.subarray(value, end);
    at = skipSpace(bytes, end);
    if (bytes[at] !== COMMA) return null;
  }
}

type Found = {
  readonly value: Buffer;
  /** How many bytes of the body follow the value. */
  readonly fromEnd: number;
};

/** Reads members from the back until one does not begin within the last bytes. */
function amongLast(body: BodyBytes, { name, opener }: WantedMember): Found | null {
  const bytes = body.slice(body.length - END_BYTES, body.length);
  const offset = body.length - bytes.length;
  let depth = 0;
  let end = -1;
  for (let at = skipSpaceBack(bytes, bytes.length - 1); at >= 0; at--) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      const open = startOfString(bytes, at);
      if (open === -1) return null;
      if (depth === 1 && opener === QUOTE && isMember(bytes, open, name))
        return { value: bytes.subarray(open, at + 1), fromEnd: body.length - offset - at - 1 };
      at = open;
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      if (depth === 1) end = at;
      depth += 1;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      depth -= 1;
      if (depth === 0) return null;
      if (depth === 1 && opener === byte && isMember(bytes, at, name))
        return { value: bytes.subarray(at, end + 1), fromEnd: body.length - offset - end - 1 };
    }
  }
  return null;
}

function isMember(bytes: Uint8Array, value: number, name: string): boolean {
  const close = keyBefore(bytes, value);
  return close !== -1 && isName(bytes, close, name);
}

/** Searches without the first quote: a search that begins with one stops at every quote of the body, 7 times slower. */
function bySearch(body: BodyBytes, { name, opener }: WantedMember): Found | null {
  const bytes = body.join();
  const proof = new DepthFromEnd(bytes);
  const floor = bytes.length - SEARCH_BYTES;
  const needle = `${name}"`;
  let at = bytes.lastIndexOf(needle);
  while (at !== -1 && at >= floor) {
    const close = at + name.length;
    if (bytes[at - 1] === QUOTE) {
      const value = valueAfterKey(bytes, close);
      if (value !== -1 && bytes[value] === opener && proof.isTopLevel(at - 1)) {
        const end = endOfValue(bytes, value);
        if (end !== -1 && end - value <= VALUE_BYTES) return { value: bytes.subarray(value, end), fromEnd: bytes.length - end };
        return null;
      }
    }
    at = at === 0 ? -1 : bytes.lastIndexOf(needle, at - 1);
  }
  return null;
}

/** The depth of places in a JSON text, asked from the back to the front; what was walked once is not walked again. */
class DepthFromEnd {
  readonly #bytes: Buffer;
  #at: number;
  #depth = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#at = bytes.length - 1;
  }

  /** Whether the byte at `place`, outside of strings, is in the outermost object. */
  isTopLevel(place: number): boolean {
    const bytes = this.#bytes;
    let at = this.#at;
    let depth = this.#depth;
    for (; at > place; at--) {
      const byte = bytes[at];
      if (byte === QUOTE) {
        const open = startOfString(bytes, at);
        // The key that is asked about: its closing quote is met first.
        if (open === place) break;
        at = open === -1 ? -1 : open;
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth += 1;
      else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth -= 1;
    }
    this.#at = at;
    this.#depth = depth;
    return at >= place && depth === 1;
  }
}
