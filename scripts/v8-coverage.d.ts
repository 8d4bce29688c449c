/** The part of the package that scripts/coverage.ts uses; it ships no types of its own. */
declare module '@bcoe/v8-coverage' {
  import type { Profiler } from 'node:inspector';
  /** Adds up the counts of one script's runs; undefined when there is none. */
  export function mergeScriptCovs(runs: readonly Profiler.ScriptCoverage[]): Profiler.ScriptCoverage | undefined;
}
