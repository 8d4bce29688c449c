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

type Pack = (body: Buffer) => Buffer;

const PACKERS: Readonly<Record<string, Pack>> = {
  gzip: (body) => zlib.gzipSync(body),
  'x-gzip': (body) => zlib.gzipSync(body),
  br: (body) => zlib.brotliCompressSync(body),
  deflate: (body) => zlib.deflateSync(body),
  ...zstdPackerOfNode(),
};

function zstdPackerOfNode(): Record<string, Pack> {
  const { zstdCompressSync } = zlib as unknown as { zstdCompressSync?: Pack };
  return zstdCompressSync === undefined ? {} : { zstd: (body) => zstdCompressSync(body) };
}

const PLAIN = new Set(['', 'identity']);

export function isPacked(contentEncoding: string | undefined): boolean {
  return contentEncoding !== undefined && !PLAIN.has(contentEncoding.trim().toLowerCase());
}

/**
 * A body without its content encodings; null when one of them is not known here, does not fit the bytes, or holds more than
 * `maxBytes`. Synchronous: for error bodies, which are small and rare.
 */
export function unpack(body: Buffer, contentEncoding: string | undefined, maxBytes: number): Buffer | null {
  let bytes = body;
  try {
    for (const name of encodingsIn(contentEncoding).reverse()) {
      const unpackOne = Object.hasOwn(UNPACKERS, name) ? UNPACKERS[name] : undefined;
      if (unpackOne === undefined) return null;
      bytes = unpackOne(bytes, maxBytes);
    }
    return unsaidGzip(bytes, maxBytes) ?? bytes;
  } catch {
    return null;
  }
}

/** Gzip that no header speaks of, as servers send that pack an error once too often; null when the bytes are none. */
function unsaidGzip(bytes: Buffer, maxBytes: number): Buffer | null {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return null;
  try {
    return gzip(bytes, maxBytes);
  } catch {
    return null;
  }
}

/** What `unpack` has unpacked, packed in the same way. */
export function pack(body: Buffer, contentEncoding: string): Buffer {
  return encodingsIn(contentEncoding).reduce((bytes, name) => PACKERS[name]?.(bytes) ?? bytes, body);
}

const ENCODINGS_MAX = 4;

/** In the order in which they were applied. */
function encodingsIn(contentEncoding = ''): string[] {
  const names = contentEncoding.toLowerCase().split(',', ENCODINGS_MAX);
  return names.map((name) => name.trim()).filter((name) => !PLAIN.has(name));
}
