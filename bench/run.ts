import type { Row } from './sampling.ts';
import type { Program } from './subjects/start.ts';

/** A run of the bench, as its parts see it. */
export type Run = {
  readonly programs: readonly Program[];
  /** The origin of the static upstream. */
  readonly upstream: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly isShort: boolean;
  /** Two builds of kmi are measured against each other: only the loads that are judged, in every round. */
  readonly isComparison: boolean;
  readonly print: (title: string, rows: Row[]) => void;
  /** A figure of which less is better, for the table at the end: by program, one value a round. */
  readonly compare: (figure: string, values: ReadonlyMap<string, readonly number[]>) => void;
};
