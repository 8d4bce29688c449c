import { constants, createGzip, gzipSync } from 'node:zlib';
import type { Answer } from './answer.ts';
import type { Exchange } from './exchange.ts';
import type { RawAnswer } from './faults.ts';

/** How it goes. Times in ms. */
export type Pace = {
  readonly firstByteDelayMs: number;
  readonly chunkPauseMs: number;
  readonly gzip: boolean;
  /** Bytes of the body, as sent, before the connection is reset; null = never. A shorter body is reset at its end. */
  readonly resetAfterBytes: number | null;
  /** Events of a stream before it falls silent; null = never. */
  readonly hangAfterChunks: number | null;
};

/**
 * Sends an answer. Comes back when it is sent, broken off, or the client has left; `sent` is told every part of the body
 * as it leaves, before any encoding.
 */
export async function deliver(exchange: Exchange, answer: Answer, pace: Pace, sent: (text: string) => void): Promise<void> {
  if (exchange.closed) return;
  const { response } = exchange;
  const headers = pace.gzip ? [...answer.headers, 'content-encoding', 'gzip', 'vary', 'accept-encoding'] : answer.headers;
  if (answer.body.kind === 'whole') {
    const bytes = pace.gzip ? gzipSync(answer.body.bytes) : answer.body.bytes;
    response.writeHead(answer.status, [...headers, 'content-length', String(bytes.length)]);
    if (pace.resetAfterBytes === null) {
      exchange.chunksSent = 1;
      response.end(bytes);
      sent(answer.body.bytes.toString());
      return;
    }
    response.write(bytes.subarray(0, pace.resetAfterBytes));
    // The text of a partial compressed body is unknown.
    if (!pace.gzip || bytes.length <= pace.resetAfterBytes) {
      sent(answer.body.bytes.toString('utf8', 0, pace.gzip ? answer.body.bytes.length : pace.resetAfterBytes));
    }
    return exchange.breakOff('reset');
  }
  response.writeHead(answer.status, [...headers]);
  response.flushHeaders();
  if (pace.firstByteDelayMs > 0) await exchange.pause(pace.firstByteDelayMs);
  return sendEvents(exchange, answer.body.events, pace, sent);
}

async function sendEvents(
  exchange: Exchange,
  events: readonly string[],
  pace: Pace,
  sent: (text: string) => void,
): Promise<void> {
  const { response } = exchange;
  const compressor = pace.gzip ? startCompressor() : null;
  let left = pace.resetAfterBytes ?? Number.POSITIVE_INFINITY;
  for (const [index, event] of events.entries()) {
    if (index === pace.hangAfterChunks) return;
    if (index > 0 && pace.chunkPauseMs > 0) await exchange.pause(pace.chunkPauseMs);
    const bytes = compressor === null ? event : await compressor.compress(event);
    if (exchange.closed) return;
    if (left !== Number.POSITIVE_INFINITY) {
      const buffer = Buffer.from(bytes);
      if (buffer.length >= left) {
        response.write(buffer.subarray(0, left));
        if (compressor === null) sent(buffer.toString('utf8', 0, left));
        return exchange.breakOff('reset');
      }
      left -= buffer.length;
    }
    exchange.chunksSent += 1;
    const hasRoom = response.write(bytes);
    sent(event);
    if (!hasRoom) await exchange.drained();
  }
  if (pace.resetAfterBytes !== null) return exchange.breakOff('reset');
  const tail = compressor === null ? null : await compressor.finish();
  if (exchange.closed) return;
  if (tail === null) response.end();
  else response.end(tail);
}

/** A gzip stream that gives the bytes of every event at once, so that the client can read it before the next one. */
function startCompressor() {
  const gzip = createGzip();
  let ready: Buffer[] = [];
  gzip.on('data', (bytes: Buffer) => ready.push(bytes));
  const take = () => {
    const bytes = Buffer.concat(ready);
    ready = [];
    return bytes;
  };
  return {
    async compress(event: string): Promise<Buffer> {
      gzip.write(event);
      await new Promise<void>((resolve) => gzip.flush(constants.Z_SYNC_FLUSH, resolve));
      return take();
    },
    async finish(): Promise<Buffer> {
      await new Promise<void>((resolve) => gzip.once('end', resolve).end());
      return take();
    },
  };
}

/** Sends a raw answer: its headers as given, its chunks one write each. */
export async function deliverRaw(exchange: Exchange, answer: RawAnswer): Promise<void> {
  const { response } = exchange;
  if (exchange.closed) return;
  const end = answer.end ?? 'clean';
  const headers = answer.headers === undefined ? [] : flatten(answer.headers);
  response.writeHead(answer.status ?? 200, headers);
  const [only] = answer.chunks;
  if (end === 'clean' && answer.chunks.length === 1 && only !== undefined && hasLength(headers)) {
    exchange.chunksSent = 1;
    response.end(only);
    return;
  }
  response.flushHeaders();
  for (const [index, chunk] of answer.chunks.entries()) {
    if (index > 0 && answer.pauseMs !== undefined && answer.pauseMs > 0) await exchange.pause(answer.pauseMs);
    if (exchange.closed) return;
    exchange.chunksSent += 1;
    if (!response.write(chunk)) await exchange.drained();
  }
  if (exchange.closed || end === 'hang') return;
  if (end === 'clean') response.end();
  else await exchange.breakOff(end);
}

function flatten(headers: NonNullable<RawAnswer['headers']>): string[] {
  return headers.flatMap((part) => (typeof part === 'string' ? [part] : [...part]));
}

function hasLength(headers: readonly string[]): boolean {
  return headers.some((name, index) => index % 2 === 0 && name.toLowerCase() === 'content-length');
}
