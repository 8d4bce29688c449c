import type { UsageProtocol } from '../../core/tokens/token-usage.ts';
import type { AnswerSink } from '../http/answer.ts';
import type { AnswerHead } from '../http/headers.ts';
import { type AnswerUsage, createUsageTap, type UsageTap } from './usage-tap.ts';

const SAID_NOTHING: AnswerUsage = { usage: null, model: null };

/** Passes an answer on unchanged and reads along: every byte goes to the client first. */
export class TappedSink implements AnswerSink {
  readonly #sink: AnswerSink;
  readonly #protocol: UsageProtocol;
  #tap: UsageTap | null = null;

  constructor(sink: AnswerSink, protocol: UsageProtocol) {
    this.#sink = sink;
    this.#protocol = protocol;
  }

  head(head: AnswerHead): void {
    this.#sink.head(head);
    this.#tap = createUsageTap(head.contentType, head.encoding, this.#protocol);
  }

  data(chunk: Buffer): boolean {
    const ready = this.#sink.data(chunk);
    this.#tap?.take(chunk);
    return ready;
  }

  whenReady(goOn: () => void): void {
    this.#sink.whenReady(goOn);
  }

  end(): void {
    this.#sink.end();
  }

  /** What the answer said, once it is over; nothing when there was none. A promise when it was compressed; never rejects. */
  read(): AnswerUsage | Promise<AnswerUsage> {
    return this.#tap?.end() ?? SAID_NOTHING;
  }
}
