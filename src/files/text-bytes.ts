/** How a text stands in a file. PowerShell's `>` and Notepad's "Unicode" write UTF-16. */
export type TextForm = 'utf-8' | 'utf-16le' | 'utf-16be';

/** `text` begins with the byte order mark when the file has one, so that `encodeText` gives the very bytes back. */
export type DecodedText = { readonly text: string; readonly form: TextForm };

/** What to say of bytes that `decodeText` does not take; completes "The file is ...". */
export const NOT_TEXT = 'not UTF-8 or UTF-16 text; save it as UTF-8';

/**
 * THE way from a file's bytes to its text: UTF-8, and UTF-16 in both byte orders, with or without a mark. Null for anything
 * else, such as an older code page, UTF-32 or a file of zeros after a crash.
 */
export function decodeText(bytes: Uint8Array): DecodedText | null {
  const form = formOf(bytes);
  if (form !== 'utf-8' && isMixed(bytes)) return null;
  try {
    const ordered = form === 'utf-16be' ? swapped(bytes) : bytes;
    const text = new TextDecoder(form === 'utf-8' ? 'utf-8' : 'utf-16le', { fatal: true, ignoreBOM: true }).decode(ordered);
    return text.includes('\0') ? null : { text, form };
  } catch {
    return null;
  }
}

/** The text without its byte order mark, for readers; null as with `decodeText`. */
export function textOf(bytes: Uint8Array): string | null {
  const decoded = decodeText(bytes);
  return decoded === null ? null : withoutMark(decoded.text);
}

export function encodeText(text: string, form: TextForm): Uint8Array {
  if (form === 'utf-8') return Buffer.from(text, 'utf8');
  const bytes = Buffer.from(text, 'utf16le');
  return form === 'utf-16be' ? swapped(bytes) : bytes;
}

function withoutMark(text: string): string {
  return text.startsWith('\uFEFF') ? text.slice(1) : text;
}

/** How a text stands in its bytes, or in the first of them: by the mark; without one by the zero bytes, which no UTF-8 text has and every UTF-16 text with an ASCII letter does. */
export function formOf(bytes: Uint8Array): TextForm {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  if (first === 0xfe && second === 0xff) return 'utf-16be';
  if (!bytes.includes(0)) return 'utf-8';
  const zeros = [0, 0] as [number, number];
  for (let at = 0; at < bytes.length; at += 1) if (bytes[at] === 0) zeros[at % 2 === 0 ? 0 : 1] += 1;
  return zeros[0] > zeros[1] ? 'utf-16be' : 'utf-16le';
}

/**
 * Are there lines of UTF-8 among those of UTF-16, as when one shell began the file and another added to it? Read as UTF-16 they
 * would be a row of Chinese characters. A long run of letters without zero bytes between them gives them away.
 */
function isMixed(bytes: Uint8Array): boolean {
  return /KMI_|[\w=.:/-]{12}/i.test(Buffer.from(bytes).toString('latin1'));
}

/** A copy with the two bytes of each unit exchanged. Throws for an odd number of bytes, as the decoder does. */
function swapped(bytes: Uint8Array): Uint8Array {
  return Buffer.from(bytes).swap16();
}
