import type { BodyBytes } from './body-bytes.ts';
import {
  CLOSE_BRACE,
  endOfValue,
  kindAt,
  nesting,
  QUOTE,
  skipSpace,
  skipSpaceBack,
  startOfString,
  startOfValue,
} from './json-bytes.ts';
import { findNameBack, isName, keyBefore, Members, MembersBack, needleOf, valueAfterKey } from './members.ts';

/** How far from either end members are read one by one: what clients send beside messages and tools fits in it. */
const END_BYTES = 768;
/** How far from either end of a large body a member is searched for at all. */
const SEARCH_BYTES = 1 << 20;
/** Longest value that is read. Session ids have 36 characters, Claude Code's `user_id` some 200. */
const VALUE_BYTES = 1024;
const PLACES_MAX = 8;
const NOWHERE: readonly number[] = [];

/** What is looked for: a member of the outermost object, by its name and the kind of its value. */
export type WantedMember = { readonly name: string; readonly kind: 'string' | 'object' };

/**
 * Where members stood in earlier bodies, counted from the end to behind the value. A client sends its tools and options
 * unchanged with every request of a session, so the same place nearly always holds the member again, and neither a
 * search nor a proof is needed.
 */
export class KnownPlaces {
  readonly #places = new Map<string, number[]>();

  of(name: string): readonly number[] {
    return this.#places.get(name) ?? NOWHERE;
  }

  add(name: string, fromEnd: number): void {
    const others = this.of(name).filter((place) => place !== fromEnd);
    this.#places.set(name, [fromEnd, ...others].slice(0, PLACES_MAX));
  }
}

/**
 * The bytes of the member's value, or null, from where it stood before or among the first and the last members: costs
 * about a microsecond whatever the size of the body.
 */
export function findNear(body: BodyBytes, wanted: WantedMember, places: KnownPlaces | null): Buffer | null {
  return whereItStood(body, wanted, places) ?? amongFirst(body, wanted) ?? remember(amongLast(body, wanted), wanted, places);
}

/** The same for a member that mostly stands among the last. */
export function findNearEnd(body: BodyBytes, wanted: WantedMember): Buffer | null {
  return amongLast(body, wanted)?.value ?? amongFirst(body, wanted);
}

function whereItStood(body: BodyBytes, wanted: WantedMember, places: KnownPlaces | null): Buffer | null {
  for (const place of places?.of(wanted.name) ?? NOWHERE) {
    const value = valueEndingAt(body, wanted, body.length - place);
    if (value !== null) return value;
  }
  return null;
}

/**
 * The same by a search through the body, where a hit counts only when it is proven to be a member of the outermost
 * object: tool schemas and tool calls may hold members of the same name.
 */
export function findAnywhere(body: BodyBytes, wanted: WantedMember, places: KnownPlaces | null): Buffer | null {
  return remember(bySearch(body, wanted), wanted, places);
}

function remember(found: Found | null, { name }: WantedMember, places: KnownPlaces | null): Buffer | null {
  if (found === null) return null;
  places?.add(name, found.fromEnd);
  return found.value;
}

/** The value of `"name":` that ends right before `end`. */
function valueEndingAt(body: BodyBytes, { name, kind }: WantedMember, end: number): Buffer | null {
  if (end < name.length + 5 || end > body.length) return null;
  if (body.byteAt(end - 1) !== (kind === 'string' ? QUOTE : CLOSE_BRACE)) return null;
  const bytes = body.slice(end - VALUE_BYTES - name.length - 8, end);
  const value = startOfValue(bytes, bytes.length - 1);
  return isName(bytes, keyBefore(bytes, value), name) ? bytes.subarray(value) : null;
}

/** Reads members from the front until one does not end within `bytes`. */
function amongFirst(body: BodyBytes, { name, kind }: WantedMember): Buffer | null {
  const bytes = body.slice(0, END_BYTES);
  const open = skipSpace(bytes, 0);
  if (kindAt(bytes, open) !== 'object') return null;
  const members = new Members(bytes, open);
  while (members.next()) {
    const { value } = members;
    const found = kindAt(bytes, value);
    // An array is messages or tools, which are longer than what is looked through here.
    if (found === 'array' && bytes.length === END_BYTES) return null;
    if (found !== kind || !members.isNamed(name)) continue;
    const end = endOfValue(bytes, value);
    return end === -1 ? null : bytes.subarray(value, end);
  }
  return null;
}

type Found = {
  readonly value: Buffer;
  /** How many bytes of the body follow the value. */
  readonly fromEnd: number;
};

/** Reads members from the back until one does not begin within the last bytes. */
function amongLast(body: BodyBytes, { name, kind }: WantedMember): Found | null {
  const bytes = body.slice(body.length - END_BYTES, body.length);
  const members = new MembersBack(bytes, skipSpaceBack(bytes, bytes.length - 1));
  while (members.next()) {
    if (kindAt(bytes, members.value) === kind && members.isNamed(name))
      return { value: bytes.subarray(members.value, members.last + 1), fromEnd: bytes.length - members.last - 1 };
  }
  return null;
}

function bySearch(body: BodyBytes, { name, kind }: WantedMember): Found | null {
  const bytes = body.join();
  const proof = new DepthFromEnd(bytes);
  const floor = bytes.length - SEARCH_BYTES;
  const needle = needleOf(name);
  for (let close = findNameBack(bytes, needle, bytes.length); close !== -1; ) {
    const open = close - needle.length;
    if (open + 1 < floor) return null;
    const value = valueAfterKey(bytes, close);
    if (value !== -1 && kindAt(bytes, value) === kind && proof.isTopLevel(open)) {
      const end = endOfValue(bytes, value);
      return end === -1 || end - value > VALUE_BYTES ? null : { value: bytes.subarray(value, end), fromEnd: bytes.length - end };
    }
    close = findNameBack(bytes, needle, open);
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
        at = open;
      } else depth -= nesting(byte);
    }
    this.#at = at;
    this.#depth = depth;
    return at >= place && depth === 1;
  }
}
