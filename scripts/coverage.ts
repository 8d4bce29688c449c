/** Line coverage of src, from the tests' own process and from the processes of the built binary together. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Profiler } from 'node:inspector';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mergeScriptCovs } from '@bcoe/v8-coverage';
import { convert } from 'ast-v8-to-istanbul';
import { parseAstAsync } from 'vitest/node';

/** Source file → line → how often it ran. A line without code has no entry. */
export type LineHits = Map<string, Map<number, number>>;

type IstanbulFile = {
  readonly path: string;
  readonly statementMap: Readonly<Record<string, { readonly start: { readonly line: number } }>>;
  readonly s: Readonly<Record<string, number>>;
};

/** Adds what vitest measured in process (`coverage-final.json`). */
export function addUnitCoverage(hits: LineHits, file: string): void {
  const coverage: Record<string, IstanbulFile> = JSON.parse(readFileSync(file, 'utf8'));
  for (const entry of Object.values(coverage)) addFile(hits, entry);
}

/** Adds what the spawned processes left in `folder` by NODE_V8_COVERAGE, mapped from `dist` back to the sources. */
export async function addProcessCoverage(hits: LineHits, folder: string, dist: string): Promise<void> {
  for (const [path, runs] of readRuns(folder, dist)) {
    // Merged before it is converted: converting parses the script, and there may be hundreds of runs.
    const merged = mergeScriptCovs(runs);
    // Without a map it is the bundler's own glue.
    if (merged === undefined || !existsSync(`${path}.map`)) continue;
    const code = readFileSync(path, 'utf8');
    const sourceMap = JSON.parse(readFileSync(`${path}.map`, 'utf8'));
    const coverage = await convert({ code, sourceMap, coverage: merged, ast: parseAstAsync(code) });
    for (const entry of Object.values(coverage) as IstanbulFile[]) {
      // Packages are in the bundle, too.
      if (!entry.path.includes('node_modules')) addFile(hits, entry);
    }
  }
}

function readRuns(folder: string, dist: string): Map<string, Profiler.ScriptCoverage[]> {
  const runs = new Map<string, Profiler.ScriptCoverage[]>();
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const report = parseReport(readFileSync(join(folder, name), 'utf8'));
    for (const script of report?.result ?? []) {
      if (!script.url.startsWith('file:')) continue;
      const path = fileURLToPath(script.url);
      if (path.startsWith(dist + sep)) runs.set(path, [...(runs.get(path) ?? []), script]);
    }
  }
  return runs;
}

/** A process killed while it wrote leaves half a report; it counts for nothing. */
function parseReport(text: string): { result: Profiler.ScriptCoverage[] } | null {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function addFile(hits: LineHits, { path, statementMap, s: counts }: IstanbulFile): void {
  const lines = hits.get(path) ?? new Map<number, number>();
  hits.set(path, lines);
  // The two compilers cut statements differently, but agree on lines: a line is as covered as its best statement.
  for (const [id, { start }] of Object.entries(statementMap)) {
    lines.set(start.line, Math.max(lines.get(start.line) ?? 0, counts[id] ?? 0));
  }
}

export type FileCoverage = { readonly file: string; readonly lines: number; readonly uncovered: readonly number[] };

/** One entry a file with code, paths relative to `root`, least covered first. */
export function summarize(hits: LineHits, root: string): FileCoverage[] {
  return [...hits]
    .map(([path, lines]) => ({
      file: relative(root, path),
      lines: lines.size,
      uncovered: [...lines].flatMap(([line, count]) => (count === 0 ? [line] : [])).sort((a, b) => a - b),
    }))
    .filter(({ lines }) => lines > 0)
    .sort((a, b) => coveredShare([a]) - coveredShare([b]));
}

/** Share of covered lines, 0 to 1; 1 when there is no line. */
export function coveredShare(files: readonly FileCoverage[]): number {
  const lines = files.reduce((sum, file) => sum + file.lines, 0);
  const uncovered = files.reduce((sum, file) => sum + file.uncovered.length, 0);
  return lines === 0 ? 1 : 1 - uncovered / lines;
}

/** `[1, 2, 3, 7]` → `1-3, 7`. */
export function renderRanges(lines: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const line of lines) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === line - 1) last[1] = line;
    else ranges.push([line, line]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(', ');
}
