import type { AnswerHead } from './headers.ts';

/** Where an answer under 400 goes, from its first byte on. */
export type AnswerSink = {
  /** The answer's head. Called once, synchronously, before any data. */
  head(head: AnswerHead): void;
  /** Whether the client can take more. */
  data(chunk: Buffer): boolean;
  /** After `data` said no: calls back once the client can take more. */
  whenReady(goOn: () => void): void;
  /** The answer is whole. Called synchronously, so that its end leaves with its last bytes. */
  end(): void;
};

/** An answer of 400 or more, read to its end before anybody sees it. */
export type CollectedAnswer = {
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly string[];
  readonly body: Buffer;
  /** Whether it came to its end. */
  readonly isWhole: boolean;
};
