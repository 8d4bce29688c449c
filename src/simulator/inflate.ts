import * as zlib from 'node:zlib';

const MAX_BYTES = 256 * 1024 * 1024;
const NOTHING = Buffer.alloc(0);

/** A request's body without its encoding; empty when it cannot be unpacked here. */
export function inflate(body: Buffer, encoding = 'identity'): Buffer {
  const options = { maxOutputLength: MAX_BYTES };
  try {
    switch (encoding.trim().toLowerCase()) {
      case 'identity':
      case '':
        return body;
      case 'gzip':
      case 'x-gzip':
        return zlib.gunzipSync(body, options);
      case 'deflate':
        return zlib.inflateSync(body, options);
      case 'br':
        return zlib.brotliDecompressSync(body, options);
      case 'zstd':
        // Node has it from 22.15 on.
        return 'zstdDecompressSync' in zlib ? (zlib.zstdDecompressSync as typeof zlib.gunzipSync)(body, options) : NOTHING;
      default:
        return NOTHING;
    }
  } catch {
    return NOTHING;
  }
}
