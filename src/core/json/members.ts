import {
  CLOSE_BRACE,
  COLON,
  COMMA,
  endOfString,
  endOfValue,
  isBareQuote,
  OPEN_BRACKET,
  QUOTE,
  skipSpace,
  skipSpaceBack,
  startOfString,
  startOfValue,
} from './json-bytes.ts';

/**
 * The members of an object, one by one from its opening brace. Only what is passed over is read: the end of a value is
 * looked for when the next member is asked for.
 */
export class Members {
  /** First byte of the member's value. */
  value = -1;
  /** One past the object, once `next` has said that there are no more; -1 when it is not whole. */
  end = -1;
  readonly #bytes: Buffer;
  readonly #open: number;
  #keyClose = -1;

  constructor(bytes: Buffer, open: number) {
    this.#bytes = bytes;
    this.#open = open;
  }

  /** Goes to the next member; false when there is none, or none that is whole up to its value. */
  next(): boolean {
    const bytes = this.#bytes;
    let at = this.#open;
    if (this.value !== -1) {
      const end = endOfValue(bytes, this.value);
      at = end === -1 ? -1 : skipSpace(bytes, end);
    }
    const isBorder = bytes[at] === COMMA || at === this.#open;
    const key = isBorder ? skipSpace(bytes, at + 1) : at;
    if (bytes[key] === CLOSE_BRACE) this.end = key + 1;
    this.#keyClose = isBorder && bytes[key] === QUOTE ? endOfString(bytes, key) : -1;
    this.value = this.#keyClose === -1 ? -1 : valueAfterKey(bytes, this.#keyClose);
    return this.value !== -1;
  }

  isNamed(name: string): boolean {
    return isName(this.#bytes, this.#keyClose, name);
  }
}

/** The same from the closing brace, from the last member to the first. */
export class MembersBack {
  /** First and last byte of the member's value. */
  value = -1;
  last = -1;
  readonly #bytes: Buffer;
  /** The brace or comma behind the member that comes next. */
  #border: number;
  #keyClose = -1;

  constructor(bytes: Buffer, close: number) {
    this.#bytes = bytes;
    this.#border = close;
  }

  next(): boolean {
    const bytes = this.#bytes;
    if (this.#keyClose !== -1) this.#border = skipSpaceBack(bytes, startOfString(bytes, this.#keyClose) - 1);
    const border = bytes[this.#border];
    if (border !== CLOSE_BRACE && border !== COMMA) return false;
    this.last = skipSpaceBack(bytes, this.#border - 1);
    this.value = startOfValue(bytes, this.last);
    this.#keyClose = keyBefore(bytes, this.value);
    return this.#keyClose !== -1;
  }

  isNamed(name: string): boolean {
    return isName(this.#bytes, this.#keyClose, name);
  }
}

/** First byte of the value after the key whose closing quote is at `close`; -1 when no colon follows. */
export function valueAfterKey(bytes: Uint8Array, close: number): number {
  const colon = skipSpace(bytes, close + 1);
  if (bytes[colon] !== COLON) return -1;
  const value = skipSpace(bytes, colon + 1);
  return value < bytes.length ? value : -1;
}

/** The closing quote of the key before the value at `value`; -1 when the value follows no key. */
export function keyBefore(bytes: Uint8Array, value: number): number {
  const colon = skipSpaceBack(bytes, value - 1);
  if (bytes[colon] !== COLON) return -1;
  const close = skipSpaceBack(bytes, colon - 1);
  return bytes[close] === QUOTE ? close : -1;
}

/** Whether the string that closes at `close` is exactly `name`, which is ASCII. */
export function isName(bytes: Uint8Array, close: number, name: string): boolean {
  const open = close - name.length - 1;
  if (!isBareQuote(bytes, open)) return false;
  for (let n = 0; n < name.length; n++) if (bytes[open + 1 + n] !== name.charCodeAt(n)) return false;
  return true;
}

/** First byte of the item of an array that follows `at`, its bracket or the end of the item before; -1 when none does. */
export function nextItem(bytes: Uint8Array, at: number): number {
  const border = skipSpace(bytes, at);
  return bytes[border] === COMMA || bytes[border] === OPEN_BRACKET ? skipSpace(bytes, border + 1) : -1;
}

/**
 * What to search for to find a string: its text and its closing quote. With the quote before it a search would stop at every
 * quote of the body, and take 7 times as long. Quotes within strings are escaped, so a match is always a whole string.
 */
export function needleOf(name: string): Buffer {
  return Buffer.from(`${name}"`);
}

/** The closing quote of the first such string from `from` on; -1 when there is none. */
export function findName(bytes: Buffer, needle: Buffer, from: number): number {
  for (let at = bytes.indexOf(needle, from); at !== -1; at = bytes.indexOf(needle, at + 1)) {
    if (isBareQuote(bytes, at - 1)) return at + needle.length - 1;
  }
  return -1;
}

/** The closing quote of the last such string that begins before `before`; -1 when there is none. */
export function findNameBack(bytes: Buffer, needle: Buffer, before: number): number {
  for (let at = before > 0 ? bytes.lastIndexOf(needle, before - 1) : -1; at > 0; at = bytes.lastIndexOf(needle, at - 1)) {
    if (isBareQuote(bytes, at - 1)) return at + needle.length - 1;
  }
  return -1;
}
