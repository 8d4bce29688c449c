import type { Style } from '../../ui/style.ts';

/**
 * A JSON line of the log for reading: time, level, message, then the rest as `name=value`. Any other line stays as it
 * is. Control characters, which could drive the terminal, are shown as `?`.
 */
export function renderLogLine(line: string, style: Style): string {
  const entry = parseEntry(line);
  if (entry === null) return printable(line);
  const { ts, level, message, ...details } = entry;
  const rest = Object.entries(details).map(([name, value]) => `${name}=${valueText(value)}`);
  const parts = [
    style.dim(printable(String(ts))),
    paintOf(level, style)(printable(String(level)).padEnd(5)),
    printable(String(message)),
    ...(rest.length === 0 ? [] : [style.dim(printable(rest.join(' ')))]),
  ];
  return parts.join('  ');
}

function parseEntry(line: string): Record<string, unknown> | null {
  if (!line.startsWith('{')) return null;
  try {
    const entry = JSON.parse(line) as Record<string, unknown>;
    return 'ts' in entry && 'level' in entry && 'message' in entry ? entry : null;
  } catch {
    return null;
  }
}

function paintOf(level: unknown, style: Style): (text: string) => string {
  if (level === 'error' || level === 'fatal') return style.bad;
  return level === 'warn' ? style.warn : (text) => text;
}

function valueText(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}

function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}]/gu, (character) => (character === '\t' ? character : '?'));
}
