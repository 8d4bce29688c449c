import type { Clock } from '../core/text/time.ts';

export type StateStoreOptions = {
  readonly path: string;
  readonly clock: Clock;
  readonly log: { warn(message: string, details?: Record<string, unknown>): void };
  /** Whether to go on, knowing nothing and writing nothing, when the file cannot be read. Default: no. */
  readonly goesOnWithout?: (error: unknown) => boolean;
};
