import { endOfString, kindAt } from '../../core/json/json-bytes.ts';
import { textAt } from '../../core/json/json-text.ts';

/** How much of a text is looked at for its first words. */
const SCAN_BYTES = 512;
/** How far a block may reach. */
const BLOCKS_MAX_BYTES = 256 * 1024;
/** A tag's name and attributes are within so many bytes. */
const TAG_BYTES = 160;

const BACKSLASH = 0x5c;
const LETTER_N = 0x6e;

/** `<name>` or `<name with="attributes">` in JSON text, in which some programs write `<` and `>` as escapes. */
const TAG = /^(?:<|\\u003c)([a-z][\w.:-]*)(?:[\s\\][^<>]*?)?(?:>|\\u003e)/i;

/**
 * The beginning of the string that opens at `open`, without the blocks in it that clients add to what their user wrote:
 * `<system-reminder>…</system-reminder>` at its beginning or that of a line. Null when nothing else is in it, or it is no string.
 */
export function ownTextAt(body: Buffer, open: number): string | null {
  if (kindAt(body, open) !== 'string') return null;
  const text = textAt(body, open, SCAN_BYTES);
  // Nearly all texts have no block, and are not looked at any further.
  if (!text.includes('<')) return text.trim() === '' ? null : text;
  const near = body.subarray(open, open + 1 + BLOCKS_MAX_BYTES);
  const close = endOfString(near, 0);
  return withoutBlocks(close === -1 ? near : near.subarray(0, close));
}

/** `text`: the raw string from its opening quote on. */
function withoutBlocks(text: Buffer): string | null {
  let said = '';
  for (let at = skipBlanks(text, 1); at < text.length && said.length < SCAN_BYTES; at = skipBlanks(text, at)) {
    const block = endOfBlock(text, at);
    if (block !== -1) {
      at = block;
      continue;
    }
    const next = nextLine(text, at);
    said += `${textAt(text, at - 1, next - at)} `;
    at = next;
  }
  return said === '' ? null : said;
}

/** One past the block that begins at `at`; -1 when none does, or when it is not closed. */
function endOfBlock(text: Buffer, at: number): number {
  const tag = TAG.exec(text.toString('latin1', at, at + TAG_BYTES));
  if (tag === null) return -1;
  const isEscaped = text[at] === BACKSLASH;
  const needle = isEscaped ? `\\u003c/${tag[1]}\\u003e` : `</${tag[1]}>`;
  const from = at + tag[0].length;
  const close = isEscaped ? endOfEscaped(text, needle, from) : text.indexOf(needle, from);
  return close === -1 ? -1 : close + needle.length;
}

/** Escapes are written in small letters or large ones. */
function endOfEscaped(text: Buffer, needle: string, from: number): number {
  const close = text.indexOf(needle, from);
  return close === -1 ? text.indexOf(needle.replaceAll('u003c', 'u003C').replaceAll('u003e', 'u003E'), from) : close;
}

/** The first byte from `at` on that is neither a blank nor an escaped line break or tab. */
function skipBlanks(text: Buffer, at: number): number {
  let next = at;
  for (;;) {
    if (text[next] === 0x20) next += 1;
    else if (text[next] === BACKSLASH && isBlankEscape(text[next + 1])) next += 2;
    else return next;
  }
}

/** `\n`, `\r`, `\t`. */
function isBlankEscape(byte: number | undefined): boolean {
  return byte === LETTER_N || byte === 0x72 || byte === 0x74;
}

/** One past the line break that follows `at`; further on than anybody reads, the end of what is read. */
function nextLine(text: Buffer, at: number): number {
  const end = Math.min(text.length, at + SCAN_BYTES);
  for (let next = at; next < end; next++) {
    if (text[next] !== BACKSLASH) continue;
    next += 1;
    if (text[next] === LETTER_N) return next + 1;
  }
  return end;
}
