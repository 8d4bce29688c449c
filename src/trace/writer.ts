import { join } from 'node:path';
import type { TraceEvent } from '../core/trace/trace-event.ts';
import { reasonOf } from '../errors.ts';
import { RotatingFile } from '../files/rotating-file.ts';
import { LineBuffer } from './line-buffer.ts';

export type TraceWriterOptions = {
  readonly path: string;
  /** 0 = never rotate. */
  readonly maxMb: number;
  readonly backups: number;
  readonly log: { warn(message: string, details?: Record<string, unknown>): void };
};

/** Events that wait for the disk; more than this are dropped and counted (docs/kmi-manager.md#trace). */
const QUEUE_MAX = 1000;
const FLUSH_MS = 100;
const COMPLAIN_EVERY_MS = 60_000;

/** Takes events at memory speed and appends them to the trace in batches. Never throws, never makes a request wait. */
export class TraceWriter {
  readonly #file: RotatingFile;
  readonly #log: TraceWriterOptions['log'];
  #lines = new LineBuffer();
  /** Takes the lines that come while the others are being written. */
  #spare = new LineBuffer();
  #timer: NodeJS.Timeout | null = null;
  #flushing: Promise<void> | null = null;
  #dropped = 0;
  #droppedTotal = 0;
  #lastComplaint = Number.NEGATIVE_INFINITY;

  constructor(options: TraceWriterOptions) {
    this.#file = new RotatingFile({ path: options.path, maxBytes: options.maxMb * 1024 * 1024, backups: options.backups });
    this.#log = options.log;
  }

  /** Events lost because the disk was too slow or refused. */
  get dropped(): number {
    return this.#droppedTotal;
  }

  record(event: TraceEvent): void {
    if (this.#lines.count >= QUEUE_MAX) {
      this.#drop(1);
      return;
    }
    try {
      // Written down at once: events kept for later would outlive their requests and cost the garbage collector dearly.
      this.#lines.add(JSON.stringify(event));
    } catch (error) {
      this.#drop(1);
      this.#complain('A request could not be written into the trace.', error);
      return;
    }
    if (this.#lines.count >= QUEUE_MAX / 2) this.#startFlush();
    else this.#timer ??= setTimeout(() => this.#startFlush(), FLUSH_MS).unref();
  }

  /** Writes what is queued. */
  async flush(): Promise<void> {
    while (this.#flushing !== null || this.#lines.count > 0) {
      this.#startFlush();
      await this.#flushing;
    }
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#file.close();
  }

  #startFlush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#flushing !== null || this.#lines.count === 0) return;
    const batch = this.#lines;
    this.#lines = this.#spare;
    this.#spare = batch;
    this.#flushing = this.#write(batch).finally(() => {
      batch.clear();
      this.#flushing = null;
      if (this.#lines.count > 0) this.#timer ??= setTimeout(() => this.#startFlush(), FLUSH_MS).unref();
    });
  }

  async #write(batch: LineBuffer): Promise<void> {
    try {
      await this.#file.append(batch.bytes);
      if (this.#dropped > 0) this.#complain('Trace lines were dropped because the disk was too slow.', null);
    } catch (error) {
      this.#drop(batch.count);
      this.#complain('The trace cannot be written; requests go on without it.', error);
    }
  }

  #drop(count: number): void {
    this.#dropped += count;
    this.#droppedTotal += count;
  }

  #complain(message: string, error: unknown): void {
    const now = performance.now();
    if (now - this.#lastComplaint < COMPLAIN_EVERY_MS) return;
    this.#lastComplaint = now;
    this.#log.warn(message, { dropped: this.#dropped, ...(error === null ? {} : { reason: reasonOf(error) }) });
    this.#dropped = 0;
  }
}

export function tracePath(stateDir: string): string {
  return join(stateDir, 'trace', 'trace.jsonl');
}
