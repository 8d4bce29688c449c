import type { UsageProtocol } from '../core/token-usage.ts';
import type { AnswerSink } from './attempt.ts';
import { headerOf } from './headers.ts';
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

  head(status: number, reason: string, headers: readonly string[]): void {
    this.#sink.head(status, reason, headers);
    this.#tap = createUsageTap({
      contentType: headerOf(headers, 'content-type'),
      contentEncoding: headerOf(headers, 'content-encoding'),
      protocol: this.#protocol,
    });
  }

  data(chunk: Buffer, whenReady: () => void): boolean {
    const ready = this.#sink.data(chunk, whenReady);
    this.#tap?.take(chunk);
    return ready;
  }

  end(): void {
    this.#sink.end();
  }

  /** What the answer said, once it is over; nothing when there was none. Never rejects. */
  read(): Promise<AnswerUsage> {
    return this.#tap?.end() ?? Promise.resolve(SAID_NOTHING);
  }
}
