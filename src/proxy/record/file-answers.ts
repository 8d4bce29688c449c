import { isRecord } from '../../core/json/json-value.ts';
import type { AnswerSink } from '../http/answer.ts';
import { errorText } from '../http/error-text.ts';
import { headerOf } from '../http/headers.ts';
import type { KeyPool } from '../pool/key-pool.ts';
import type { ExchangeResult } from './exchange-result.ts';

const ANSWER_MAX_BYTES = 64 * 1024;
const ID = /^[0-9A-Za-z._-]{1,128}$/;

/** Remembers which account holds the file of an upload that went well. */
export function noteUpload(pool: KeyPool, { entry, end }: ExchangeResult, answer: UploadedIdSink): void {
  if (entry === null || end.kind !== 'served' || end.status >= 300) return;
  const id = answer.read();
  if (id !== null) pool.affinityStore.uploaded(id, entry);
}

/** Passes the answer to an upload on unchanged and reads the id of the file from it. */
export class UploadedIdSink implements AnswerSink {
  readonly #sink: AnswerSink;
  readonly #chunks: Buffer[] = [];
  #encoding: string | undefined;
  #bytes = 0;

  constructor(sink: AnswerSink) {
    this.#sink = sink;
  }

  head(status: number, reason: string, headers: readonly string[]): void {
    this.#encoding = headerOf(headers, 'content-encoding');
    this.#sink.head(status, reason, headers);
  }

  data(chunk: Buffer): boolean {
    this.#bytes += chunk.length;
    if (this.#bytes <= ANSWER_MAX_BYTES) this.#chunks.push(chunk);
    return this.#sink.data(chunk);
  }

  whenReady(goOn: () => void): void {
    this.#sink.whenReady(goOn);
  }

  end(): void {
    this.#sink.end();
  }

  /** null when the answer named none. */
  read(): string | null {
    if (this.#bytes === 0 || this.#bytes > ANSWER_MAX_BYTES) return null;
    try {
      const answer: unknown = JSON.parse(errorText(Buffer.concat(this.#chunks), this.#encoding));
      const id = isRecord(answer) ? answer.id : null;
      return typeof id === 'string' && ID.test(id) ? id : null;
    } catch {
      return null;
    }
  }
}
