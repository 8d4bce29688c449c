import { fieldOf, numberOf, recordOf } from '../core/json/json-value.ts';
import type { TokenUsage } from '../core/tokens/token-usage.ts';
import type { RowNames, UsageRow } from '../core/tokens/usage-row.ts';

/** A row, or an increment of one, as a line of its day's file; the day is the file's name. */
export function renderUsageLine({ requests, tokens, ...names }: UsageRow): string {
  return renderNames(names) + renderCounts(requests, tokens);
}

/** The first half of a line: it is the same for every increment of a row. */
export function renderNames({ key, account, model, session }: RowNames): string {
  // What is undefined is left out.
  const names = { key, account: account ?? undefined, model: model ?? undefined, session: session ?? undefined };
  return JSON.stringify(names).slice(0, -1);
}

/** The second half. */
export function renderCounts(requests: number, { input, cached, output, reasoning }: TokenUsage): string {
  return `,"requests":${requests},"input":${input},"cached":${cached},"output":${output},"reasoning":${reasoning}}\n`;
}

/** null for a torn line, the mark of a compacted file, and whatever else is no row. */
export function parseUsageLine(line: string, day: string): UsageRow | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  const record = recordOf(value);
  const key = fieldOf(record, 'key');
  const counts = ['requests', 'input', 'cached', 'output', 'reasoning'].map((name) => numberOf(fieldOf(record, name)));
  if (typeof key !== 'string' || !counts.every(isCount)) return null;
  const [requests, input, cached, output, reasoning] = counts as [number, number, number, number, number];
  const textOf = (name: string) => {
    const text = fieldOf(record, name);
    return typeof text === 'string' ? text : null;
  };
  return {
    day,
    key,
    account: textOf('account'),
    model: textOf('model'),
    session: textOf('session'),
    requests,
    tokens: { input, cached, output, reasoning },
  };
}

function isCount(value: number | null): boolean {
  return value !== null && Number.isSafeInteger(value) && value >= 0;
}
