import * as zlib from 'node:zlib';

type Unpack = (body: Buffer, maxBytes: number) => Buffer;

/** As far as it goes: an answer that was cut off is unpacked to where it ends. */
const gzip: Unpack = (body, maxOutputLength) =>
  zlib.gunzipSync(body, { maxOutputLength, finishFlush: zlib.constants.Z_SYNC_FLUSH });
const brotli: Unpack = (body, maxOutputLength) =>
  zlib.brotliDecompressSync(body, { maxOutputLength, finishFlush: zlib.constants.BROTLI_OPERATION_FLUSH });

/** By the standard with a zlib header, by some servers without one. */
const deflate: Unpack = (body, maxOutputLength) => {
  const options = { maxOutputLength, finishFlush: zlib.constants.Z_SYNC_FLUSH };
  return ((body[0] ?? 0) & 0x0f) === 8 ? zlib.inflateSync(body, options) : zlib.inflateRawSync(body, options);
};

const UNPACKERS: Readonly<Record<string, Unpack>> = { gzip, 'x-gzip': gzip, br: brotli, deflate, ...zstdOfNode() };

/** From Node 22.15 on. */
function zstdOfNode(): Record<string, Unpack> {
  const { zstdDecompressSync } = zlib as unknown as {
    zstdDecompressSync?: (body: Buffer, options: { maxOutputLength: number }) => Buffer;
  };
  return zstdDecompressSync === undefined
    ? {}
    : { zstd: (body, maxOutputLength) => zstdDecompressSync(body, { maxOutputLength }) };
}

const PLAIN = new Set(['', 'identity']);

export function isPacked(contentEncoding: string | undefined): boolean {
  return !PLAIN.has(contentEncoding?.trim().toLowerCase() ?? '');
}

/**
 * A body without its content encodings; null when one of them is not known here, does not fit the bytes, or holds more than
 * `maxBytes`. Synchronous: for error bodies, which are small and rare.
 */
export function unpack(body: Buffer, contentEncoding: string | undefined, maxBytes: number): Buffer | null {
  const names = (contentEncoding ?? '').toLowerCase().split(',', ENCODINGS_MAX);
  let bytes = body;
  try {
    // Listed in the order in which they were applied.
    for (const name of names.map((part) => part.trim()).reverse()) {
      if (PLAIN.has(name)) continue;
      const unpackOne = Object.hasOwn(UNPACKERS, name) ? UNPACKERS[name] : undefined;
      if (unpackOne === undefined) return null;
      bytes = unpackOne(bytes, maxBytes);
    }
    return bytes;
  } catch {
    return null;
  }
}

const ENCODINGS_MAX = 4;
