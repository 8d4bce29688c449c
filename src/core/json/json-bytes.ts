export const QUOTE = 0x22;
export const COLON = 0x3a;
export const COMMA = 0x2c;
export const OPEN_BRACE = 0x7b;
export const CLOSE_BRACE = 0x7d;
export const OPEN_BRACKET = 0x5b;
export const CLOSE_BRACKET = 0x5d;
const BACKSLASH = 0x5c;

/** Index of the first byte from `at` on that is no white space. */
export function skipSpace(bytes: Uint8Array, at: number): number {
  let next = at;
  while (isSpace(bytes[next])) next += 1;
  return next;
}

/** Index of the last byte up to `at` that is no white space; -1 when there is none. */
export function skipSpaceBack(bytes: Uint8Array, at: number): number {
  let next = at;
  while (next >= 0 && isSpace(bytes[next])) next -= 1;
  return next;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** The closing quote of the string that opens at `open`; -1 when it is not within `bytes`. */
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

/** The opening quote of the string that closes at `close`; -1 when it is not within `bytes`. */
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

/** One past the value that begins at `at` (a string, number, word, object or array); -1 when it does not end within `bytes`. */
export function endOfValue(bytes: Buffer, at: number): number {
  let depth = 0;
  for (let next = at; next < bytes.length; next++) {
    const byte = bytes[next];
    if (byte === QUOTE) {
      next = endOfString(bytes, next);
      if (next === -1) return -1;
      if (depth === 0) return next + 1;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth += 1;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      if (depth === 0) return next;
      depth -= 1;
      if (depth === 0) return next + 1;
    } else if (byte === COMMA && depth === 0) return next;
  }
  return -1;
}

/** The value after the key whose closing quote is at `close`: index of its first byte; -1 when no colon follows. */
export function valueAfterKey(bytes: Uint8Array, close: number): number {
  const colon = skipSpace(bytes, close + 1);
  if (bytes[colon] !== COLON) return -1;
  const value = skipSpace(bytes, colon + 1);
  return value < bytes.length ? value : -1;
}
