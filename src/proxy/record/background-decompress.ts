import type { Transform } from 'node:stream';
import { constants, createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib';

/** Compressed bytes are handed on in parts of this size, so that a small piece costs nothing but being kept. */
const PART_BYTES = 64 * 1024;
/** Compressed bytes that wait while the thread pool is behind; with more, reading along is given up. */
const BACKLOG_MAX_BYTES = 4 * 1024 * 1024;
/** No answer is that long: whoever sends it wants to keep us busy. */
const OUTPUT_MAX_BYTES = 1024 * 1024 * 1024;

/** Decompresses on the thread pool, whenever it is free. */
export type Decompressor = {
  take(chunk: Buffer): void;
  /** Resolves when all that can be read has been given; never rejects, also for bytes that are broken or end too early. */
  end(): Promise<void>;
};

const ENCODINGS = ['gzip', 'x-gzip', 'deflate', 'br'] as const;
export type InflatableEncoding = (typeof ENCODINGS)[number];

export function isDecompressible(encoding: string): encoding is InflatableEncoding {
  return (ENCODINGS as readonly string[]).includes(encoding);
}

/** `onBytes` gets the decompressed bytes, some time later. */
export function createDecompressor(encoding: InflatableEncoding, onBytes: (bytes: Buffer) => void): Decompressor {
  let part: Buffer[] = [];
  let partBytes = 0;
  let stream: Transform | null = null;
  let outputBytes = 0;
  let isOver = false;
  let resolveOver: () => void;
  const over = new Promise<void>((resolve) => {
    resolveOver = resolve;
  });
  const finish = () => {
    isOver = true;
    part = [];
    stream?.destroy();
    resolveOver();
  };
  const hand = () => {
    if (partBytes === 0) return;
    stream ??= openStream(encoding, part[0] as Buffer)
      .on('data', (bytes: Buffer) => {
        outputBytes += bytes.length;
        if (outputBytes > OUTPUT_MAX_BYTES) finish();
        else onBytes(bytes);
      })
      .once('error', finish)
      .once('end', finish);
    if (stream.writableLength > BACKLOG_MAX_BYTES) return finish();
    stream.write(part.length === 1 ? part[0] : Buffer.concat(part));
    part = [];
    partBytes = 0;
  };
  return {
    take(chunk) {
      if (isOver) return;
      part.push(chunk);
      partBytes += chunk.length;
      if (partBytes >= PART_BYTES) hand();
    },
    end() {
      if (!isOver) hand();
      if (!isOver && stream !== null) stream.end();
      else resolveOver();
      return over;
    },
  };
}

/** Streams that take an early end of the bytes for the end: what an aborted answer said counts. */
function openStream(encoding: InflatableEncoding, first: Buffer): Transform {
  const options = { finishFlush: constants.Z_SYNC_FLUSH, chunkSize: PART_BYTES };
  switch (encoding) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip(options);
    case 'br':
      return createBrotliDecompress({ finishFlush: constants.BROTLI_OPERATION_FLUSH, chunkSize: PART_BYTES });
    case 'deflate':
      // RFC 9110 8.4.1.2 means the zlib format; some send the bare deflate data all the same.
      return ((first[0] ?? 0) & 0x0f) === 8 ? createInflate(options) : createInflateRaw(options);
  }
}
