import { unpack } from './unpack.ts';

const TEXT_MAX_BYTES = 256 * 1024;
/** Of an unpacked body, which only its beginning is read of. */
const UNPACKED_MAX_BYTES = 8 * 1024 * 1024;

/**
 * The text of an error body, unpacked if need be; as much as judging needs. A body that cannot be unpacked is empty
 * text: the status then decides. A mark of the byte order is no part of the text.
 */
export function errorText(body: Buffer, contentEncoding: string | undefined): string {
  return decode(body, contentEncoding).replace(/^\uFEFF/, '');
}

function decode(body: Buffer, contentEncoding: string | undefined): string {
  const bytes = (unpack(body, contentEncoding, UNPACKED_MAX_BYTES) ?? NO_BYTES).subarray(0, TEXT_MAX_BYTES);
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return bytes.toString('utf16le');
  if (bytes[0] === 0xfe && bytes[1] === 0xff)
    return Buffer.from(bytes.subarray(0, bytes.length & ~1))
      .swap16()
      .toString('utf16le');
  return bytes.toString('utf8');
}

const NO_BYTES = Buffer.alloc(0);
