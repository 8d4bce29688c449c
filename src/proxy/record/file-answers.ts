import type { IncomingMessage } from 'node:http';
import { isRecord } from '../../core/json/json-value.ts';
import { listedAt } from '../../core/sessions/file-references.ts';
import type { HoldingKind } from '../../core/sessions/uploaded-files.ts';
import type { AnswerSink } from '../http/answer.ts';
import { errorText } from '../http/error-text.ts';
import type { AnswerHead } from '../http/headers.ts';
import type { Route } from '../http/route.ts';
import type { AffinityStore } from '../pool/affinity-store.ts';
import type { ExchangeResult } from './exchange-result.ts';

/** A list of 100 batches. */
const ANSWER_MAX_BYTES = 256 * 1024;
const ID = /^[0-9A-Za-z._-]{1,128}$/;

type Asked = Pick<IncomingMessage, 'method'>;
type Answering = Pick<Route, 'endpoint' | 'holdings'>;

/** Whether the answer may name what its account holds: an upload; a batch that is made, looked at or cancelled, or a list of them. */
export function mayNameHoldings({ method }: Asked, { holdings }: Answering): boolean {
  return holdings !== null && (method === 'POST' || (method === 'GET' && holdings === 'batch'));
}

/** What the request makes; null when it only looks at something. */
export function madeBy({ method }: Asked, { endpoint }: Answering): HoldingKind | null {
  return method === 'POST' ? listedAt(endpoint) : null;
}

/** Remembers which account holds what an answer names that went well. */
export function noteHoldings(
  affinityStore: Pick<AffinityStore, 'holds'>,
  { entry, end }: ExchangeResult,
  answer: HoldingsSink,
  made: HoldingKind | null,
): void {
  if (entry === null || end.kind !== 'served' || end.status >= 300) return;
  affinityStore.holds(answer.read(), entry, made);
}

/** Passes an answer on unchanged and reads the ids of files and batches from it. */
export class HoldingsSink implements AnswerSink {
  readonly #sink: AnswerSink;
  readonly #chunks: Buffer[] = [];
  #encoding: string | undefined;
  #bytes = 0;

  constructor(sink: AnswerSink) {
    this.#sink = sink;
  }

  head(head: AnswerHead): void {
    this.#encoding = head.encoding;
    this.#sink.head(head);
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

  /** The answer's own id comes first. */
  read(): readonly string[] {
    if (this.#bytes === 0 || this.#bytes > ANSWER_MAX_BYTES) return [];
    try {
      const answer: unknown = JSON.parse(errorText(Buffer.concat(this.#chunks), this.#encoding));
      const listed: readonly unknown[] = isRecord(answer) && Array.isArray(answer.data) ? answer.data : [];
      return [answer, ...listed].flatMap(idsIn);
    } catch {
      return [];
    }
  }
}

function idsIn(one: unknown): string[] {
  if (!isRecord(one)) return [];
  return [one.id, one.output_file_id, one.error_file_id].filter((id): id is string => typeof id === 'string' && ID.test(id));
}
