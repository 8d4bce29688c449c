import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';

const TEXT_MAX_BYTES = 256 * 1024;

/**
 * The text of an error body, unpacked if need be; as much as judging needs. A body that cannot be unpacked is empty
 * text: the status then decides.
 */
export function errorText(body: Buffer, contentEncoding: string | undefined): string {
  return unpack(body, contentEncoding?.trim().toLowerCase() ?? 'identity').toString('utf8', 0, TEXT_MAX_BYTES);
}

function unpack(body: Buffer, encoding: string): Buffer {
  const options = { maxOutputLength: TEXT_MAX_BYTES };
  try {
    switch (encoding) {
      case 'gzip':
      case 'x-gzip':
        return gunzipSync(body, options);
      case 'br':
        return brotliDecompressSync(body, options);
      case 'deflate':
        return inflateSync(body, options);
      case 'identity':
      case '':
        return body;
      default:
        return Buffer.alloc(0);
    }
  } catch {
    return Buffer.alloc(0);
  }
}
