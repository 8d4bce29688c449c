import type { Zone } from '../../../core/text/zoned-time.ts';
import { timeOfLine } from '../../../daemon/since.ts';

/** A line of a log as it stands, and when it was written: epoch ms, of a line without a time that of the line before; null: not known. */
export type LogLine = { readonly text: string; readonly at: number | null };

/** Gives each line of one log its time. What it returns remembers the last one, for a log that goes on. */
export function timedLines(zone: Zone): (lines: readonly string[]) => readonly LogLine[] {
  let last: number | null = null;
  return (lines) =>
    lines.map((text) => {
      last = timeOfLine(text, zone) ?? last;
      return { text, at: last };
    });
}

/** The lines of several logs in the order of their times; those of one log stay in theirs. */
export function mergeLogs(logs: readonly (readonly LogLine[])[]): readonly LogLine[] {
  const [first = [], ...others] = logs;
  return others.reduce(mergeTwo, first);
}

function mergeTwo(a: readonly LogLine[], b: readonly LogLine[]): readonly LogLine[] {
  const merged: LogLine[] = [];
  let left = 0;
  let right = 0;
  while (left < a.length && right < b.length) {
    const [one, other] = [a[left], b[right]] as [LogLine, LogLine];
    if (instantOf(one) <= instantOf(other)) {
      merged.push(one);
      left += 1;
    } else {
      merged.push(other);
      right += 1;
    }
  }
  return [...merged, ...a.slice(left), ...b.slice(right)];
}

/** What stands before the first time of a log is older than all that has one. */
function instantOf({ at }: LogLine): number {
  return at ?? Number.NEGATIVE_INFINITY;
}

/** What a line says: the fields of a JSON line, or the time and the text of another. */
export type LogEntry = {
  readonly ts: string | null;
  readonly level: string | null;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
};

const STAMP = /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}) /;

export function parseLogLine(line: string): LogEntry {
  const json = parseJson(line);
  if (json !== null) {
    const { ts, level, message, ...details } = json;
    return { ts: String(ts), level: String(level), message: String(message), details };
  }
  const stamp = STAMP.exec(line);
  return { ts: stamp?.[1] ?? null, level: null, message: stamp === null ? line : line.slice(stamp[0].length), details: {} };
}

function parseJson(line: string): Record<string, unknown> | null {
  if (!line.startsWith('{')) return null;
  try {
    const entry = JSON.parse(line) as Record<string, unknown>;
    return 'ts' in entry && 'level' in entry && 'message' in entry ? entry : null;
  } catch {
    return null;
  }
}

/** A line as JSON: those of the app as they stand, others with the fields they have; `at` is for one without a time of its own. */
export function logLineToJson({ text, at }: LogLine): string {
  if (parseJson(text) !== null) return text;
  const { ts, message } = parseLogLine(text);
  return JSON.stringify({ ts: ts ?? (at === null ? null : new Date(at).toISOString()), level: null, message });
}
