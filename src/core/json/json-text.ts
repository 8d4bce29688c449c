import { endOfString, kindAt } from './json-bytes.ts';

/** The text of a string in JSON bytes, without its quotes; escapes in it stay escaped. */
export type Span = { readonly from: number; readonly to: number };

/** The string that begins at `at`; null when none does, or it does not end within `bytes`. */
export function spanAt(bytes: Buffer, at: number): Span | null {
  const close = kindAt(bytes, at) === 'string' ? endOfString(bytes, at) : -1;
  return close === -1 ? null : { from: at + 1, to: close };
}

/** The beginning of the string that opens at `open`, from at most so many bytes. `\n`, `\t` and their like become spaces. */
export function textAt(bytes: Buffer, open: number, maxBytes: number): string {
  const near = bytes.subarray(open, open + 1 + maxBytes);
  const close = endOfString(near, 0);
  return unescapeJson(near.toString('utf8', 1, close === -1 ? near.length : close));
}

/** An escape that is cut off is dropped. */
function unescapeJson(raw: string): string {
  if (!raw.includes('\\')) return raw;
  return raw.replace(/\\(?:u([0-9a-fA-F]{4})|(.)|$)/gs, (_, hex: string | undefined, char: string | undefined) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    return char === '"' || char === '\\' || char === '/' ? char : ' ';
  });
}
