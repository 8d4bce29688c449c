import { QUOTE } from '../../core/json/json-bytes.ts';
import { headerOf } from '../../core/text/raw-headers.ts';
import { isPacked, pack, unpack } from '../http/unpack.ts';
import { maskKey } from './mask-key.ts';
import { maskAnswer } from './masked-answer.ts';

/** Errors are short. What is longer is none, and goes on as it is. */
const ERROR_MAX_BYTES = 64 * 1024;
/** A packed answer whose beginning is longer than this is no error. */
const PACKED_ERROR_MAX_BYTES = 4096;

const E = 0x65;
const T = 0x74;
const JSON_ERROR_WITHIN_CHARS = 64;
const BOM = '\xef\xbb\xbf';
const JSON_ERROR = new RegExp(String.raw`^(?:${BOM})?\s*\{\s*"(?:error"|type"\s*:\s*"error")`);

/**
 * Whether the first bytes of an answer under 400 may be those of an error as JSON: then they have to be looked at more closely.
 * Costs an ordinary answer a glance.
 */
export function mayBeError(first: Buffer): boolean {
  const name = first[first.indexOf(QUOTE) + 1];
  return (name === E || name === T) && JSON_ERROR.test(first.toString('latin1', 0, JSON_ERROR_WITHIN_CHARS));
}

/** Holds back an answer that may echo the key, as one that begins as an error does, and covers the echo. */
export class EchoGuard {
  /** Nothing more is looked at. */
  isOver = false;
  readonly #key: string;
  #text = '';

  constructor(key: string) {
    this.#key = key;
  }

  /** What goes on to the client now; null while it is held back. */
  take(chunk: Buffer): Buffer | null {
    this.#text += chunk.toString('latin1');
    return this.#text.length > ERROR_MAX_BYTES ? this.end() : null;
  }

  /** The answer is over, or broke off: what has come of it, with the key covered. */
  end(): Buffer | null {
    this.isOver = true;
    const text = maskKey(this.#text, this.#key, { isCut: true }) ?? this.#text;
    return text === '' ? null : Buffer.from(text, 'latin1');
  }
}

const ERROR_EVENT = /^event: ?error|"error"\s*:|"type"\s*:\s*"error"/m;
const BLANK_LINE_AT_END = /(?:\n\n|\r\n\r\n|\r\r)$/;
const BLANK_LINE = /\n\n|\r\n\r\n|\r\r/g;

/** Where the first block ends that is not of comments only; -1 when it has not ended yet. */
function endOfFirstEvent(text: string): number {
  let start = 0;
  for (const { 0: blank, index } of text.matchAll(BLANK_LINE)) {
    const end = index + blank.length;
    if (/^(?:data|event)/m.test(text.slice(start, end))) return end;
    start = end;
  }
  return -1;
}

type Head = { readonly status: number; readonly reason: string; readonly headers: readonly string[] };

/**
 * A packed answer, held back until it is known whether it is an error that echoes the key. An error without the key goes out
 * unpacked, unless its head has gone before.
 */
export class PackedAnswer {
  readonly #key: string;
  readonly #head: Head;
  readonly #encoding: string;
  readonly #isStream: boolean;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #headHasGone = false;

  constructor(key: string, head: Head, encoding: string) {
    this.#key = key;
    this.#head = head;
    this.#encoding = encoding;
    this.#isStream = /event-stream/i.test(headerOf(head.headers, 'content-type') ?? '');
  }

  /** The head, when nothing has come with it: a model that thinks for long must not keep it from the client. Null when it stays. */
  headAlone(): Head | null {
    if (this.#headHasGone || this.#bytes > 0) return null;
    this.#headHasGone = true;
    return this.#head;
  }

  /** Whether to go on holding back. */
  take(chunk: Buffer): boolean {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > ERROR_MAX_BYTES || (this.#chunks.length === 1 && chunk.length > PACKED_ERROR_MAX_BYTES)) return false;
    const text = unpack(Buffer.concat(this.#chunks), this.#encoding, ERROR_MAX_BYTES)?.toString('latin1');
    return text !== undefined && (this.#isStream ? mayBeErrorEvent(text) : mayBeJsonError(text));
  }

  /** What was held back, as it came: it is no error. */
  asItCame(): Head & { readonly body: Buffer } {
    return { ...this.#head, body: Buffer.concat(this.#chunks) };
  }

  /** All there is of it, without the key. */
  masked(isWhole: boolean): Head & { readonly body: Buffer } {
    const { body, ...head } = this.asItCame();
    const masked = maskAnswer({ ...head, body, isWhole }, this.#key);
    if (!this.#headHasGone || masked.body === body) return masked;
    return { ...masked, body: pack(masked.body, this.#encoding) };
  }
}

/** Of a JSON answer nobody can use the beginning alone, so it is held until it shows what it is. */
function mayBeJsonError(text: string): boolean {
  return text.length < JSON_ERROR_WITHIN_CHARS || JSON_ERROR.test(text);
}

/** The first event is awaited; comments, which only keep the connection alive, are not kept back. */
function mayBeErrorEvent(text: string): boolean {
  const end = endOfFirstEvent(text);
  return end === -1 ? !BLANK_LINE_AT_END.test(text) : ERROR_EVENT.test(text.slice(0, end));
}

/** Whether an answer with this head may be a packed error. `length`: as announced; -1 when it was not. */
export function mayBePackedError(encoding: string | undefined, contentType: string | undefined, length: number): boolean {
  if (!isPacked(encoding) || length > PACKED_ERROR_MAX_BYTES) return false;
  return contentType === undefined || /json|event-stream/i.test(contentType);
}
