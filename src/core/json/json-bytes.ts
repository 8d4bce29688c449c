/**
 * JSON text read as bytes, without parsing it: a body of 88 KB is looked through in microseconds. Every place is an index
 * into `bytes`; -1 means that what was asked for is not there, or not wholly within `bytes`. What is no JSON gives some
 * answer, and never an error.
 */
export const QUOTE = 0x22;
export const COLON = 0x3a;
export const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
export const CLOSE_BRACE = 0x7d;
export const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const BACKSLASH = 0x5c;

export type JsonKind = 'string' | 'object' | 'array' | 'other';

/** What kind of value begins at `at`. */
export function kindAt(bytes: Uint8Array, at: number): JsonKind {
  const byte = bytes[at];
  if (byte === QUOTE) return 'string';
  if (byte === OPEN_BRACE) return 'object';
  return byte === OPEN_BRACKET ? 'array' : 'other';
}

/** 1 for a byte that opens an object or array, -1 for one that closes it; only for bytes outside of strings. */
export function nesting(byte: number | undefined): number {
  if (byte === OPEN_BRACE || byte === OPEN_BRACKET) return 1;
  return byte === CLOSE_BRACE || byte === CLOSE_BRACKET ? -1 : 0;
}

/** Index of the first byte from `at` on that is not white space. */
export function skipSpace(bytes: Uint8Array, at: number): number {
  let next = at;
  while (isSpace(bytes[next])) next += 1;
  return next;
}

/** Index of the last byte up to `at` that is not white space. */
export function skipSpaceBack(bytes: Uint8Array, at: number): number {
  let next = at;
  while (next >= 0 && isSpace(bytes[next])) next -= 1;
  return next;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** The closing quote of the string that opens at `open`. */
export function endOfString(bytes: Buffer, open: number): number {
  // Short strings, which most are, are over before a native search has begun.
  const near = Math.min(bytes.length, open + 64);
  let at = open + 1;
  while (at < near) {
    const byte = bytes[at];
    if (byte === QUOTE) return at;
    at += byte === BACKSLASH ? 2 : 1;
  }
  for (let close = bytes.indexOf(QUOTE, at); close !== -1; close = bytes.indexOf(QUOTE, close + 1)) {
    if (!isEscaped(bytes, close, at)) return close;
  }
  return -1;
}

/** The opening quote of the string that closes at `close`. */
export function startOfString(bytes: Uint8Array, close: number): number {
  for (let at = close - 1; at >= 0; at--) {
    if (bytes[at] === QUOTE && !isEscaped(bytes, at, 0)) return at;
  }
  return -1;
}

/** Whether the byte at `at` follows an odd number of backslashes; what stands before `from` is known not to escape. */
function isEscaped(bytes: Uint8Array, at: number, from: number): boolean {
  let slashes = 0;
  while (at - 1 - slashes >= from && bytes[at - 1 - slashes] === BACKSLASH) slashes += 1;
  return slashes % 2 === 1;
}

/** Whether a quote stands at `at` that is not part of a string's text: for places where a string may open. */
export function isBareQuote(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === QUOTE && bytes[at - 1] !== BACKSLASH;
}

/** One past the value that begins at `at`. */
export function endOfValue(bytes: Buffer, at: number): number {
  let depth = 0;
  for (let next = at; next < bytes.length; next++) {
    const byte = bytes[next];
    if (byte === QUOTE) {
      next = endOfString(bytes, next);
      if (next === -1) return -1;
      if (depth === 0) return next + 1;
      continue;
    }
    const step = nesting(byte);
    depth += step;
    // A number or a word ends before a comma, and before what closes the object or array it is in.
    if (depth < 0 || (depth === 0 && byte === COMMA)) return next;
    if (step < 0 && depth === 0) return next + 1;
  }
  return -1;
}

/** The first byte of the value whose last byte is at `last`. */
export function startOfValue(bytes: Uint8Array, last: number): number {
  let depth = 0;
  for (let at = last; at >= 0; at--) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = startOfString(bytes, at);
      if (at === -1 || depth === 0) return at;
      continue;
    }
    const step = nesting(byte);
    depth -= step;
    if (depth < 0 || (depth === 0 && (byte === COMMA || byte === COLON))) return skipSpace(bytes, at + 1);
    if (step > 0 && depth === 0) return at;
  }
  return -1;
}
