import { headerOf } from '../../core/text/raw-headers.ts';
import type { CollectedAnswer } from '../http/answer.ts';
import { isPacked, unpack } from '../http/unpack.ts';
import { maskKey } from './mask-key.ts';

const UNPACKED_MAX_BYTES = 16 * 1024 * 1024;

/** Headers of a body that is not the one sent any more. */
export const OF_THE_PACKED_BODY = ['content-encoding', 'content-length', 'content-md5', 'content-digest', 'digest', 'etag'];

/**
 * An error answer without the key it was asked with, which some upstreams echo: in the body, whether packed or not, in headers
 * and in the status line. Stars of equal length stand in its place. An answer without an echo is given back as it is.
 */
export function maskAnswer(answer: CollectedAnswer, key: string): CollectedAnswer {
  const masked = maskHead(answer, key);
  const body = maskBody(answer, key);
  if (body === null) return masked;
  if (!isPacked(headerOf(answer.headers, 'content-encoding')) && body.length === answer.body.length) return { ...masked, body };
  // It goes out unpacked.
  const kept = withoutHeaders(masked.headers, OF_THE_PACKED_BODY);
  return { ...masked, headers: answer.isWhole ? [...kept, 'content-length', String(body.length)] : kept, body };
}

/** A head without the key in its status line or headers; the head itself when it names none. */
export function maskHead<Head extends Pick<CollectedAnswer, 'reason' | 'headers'>>(head: Head, key: string): Head {
  const reason = maskKey(head.reason, key);
  const headers = maskHeaders(head.headers, key);
  return reason === null && headers === null
    ? head
    : { ...head, reason: reason ?? head.reason, headers: headers ?? head.headers };
}

/** Null when no header echoes the key. */
function maskHeaders(headers: readonly string[], key: string): string[] | null {
  let masked: string[] | null = null;
  for (let n = 1; n < headers.length; n += 2) {
    const value = maskKey(headers[n] as string, key);
    if (value === null) continue;
    masked ??= [...headers];
    masked[n] = value;
  }
  return masked;
}

function maskBody({ body, headers, isWhole }: Pick<CollectedAnswer, 'body' | 'headers' | 'isWhole'>, key: string): Buffer | null {
  const plain = unpack(body, headerOf(headers, 'content-encoding'), UNPACKED_MAX_BYTES);
  const masked = plain === null ? null : maskKey(plain.toString('latin1'), key, { isCut: !isWhole });
  return masked === null ? null : Buffer.from(masked, 'latin1');
}

/** A flat list of headers without those of these names. */
export function withoutHeaders(flat: readonly string[], names: readonly string[]): string[] {
  const kept: string[] = [];
  for (let n = 0; n < flat.length; n += 2) {
    const name = flat[n] as string;
    if (!names.includes(name.toLowerCase())) kept.push(name, flat[n + 1] as string);
  }
  return kept;
}
