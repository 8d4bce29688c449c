export type Level = 'ok' | 'info' | 'warn' | 'fail';

/** Where a finding stands in the report. */
export type Section = 'Setup' | 'Keys' | 'Logins' | 'Proxy' | 'Files' | 'Upstream' | 'Clients';

export const SECTIONS: readonly Section[] = ['Setup', 'Keys', 'Logins', 'Proxy', 'Files', 'Upstream', 'Clients'];

/** What one check found. Holds labels, paths and addresses, never a key. */
export type Finding = {
  readonly section: Section;
  /** Stable name of the check, for scripts: "proxy_listening". A check that looks at several things has several findings. */
  readonly check: string;
  readonly level: Level;
  readonly text: string;
  /** Further lines that belong to the text. */
  readonly details: readonly string[];
  /** What to do about it; always there for `warn` and `fail`. */
  readonly fix: string | null;
};

type Said = (text: string, fix?: string | null, details?: readonly string[]) => Finding;
type SaidWithFix = (text: string, fix: string, details?: readonly string[]) => Finding;

/** The four answers a check can give. */
export function answersOf(
  section: Section,
  check: string,
): { readonly ok: Said; readonly info: Said; readonly warn: SaidWithFix; readonly fail: SaidWithFix } {
  const say =
    (level: Level): Said =>
    (text, fix = null, details = []) => ({ section, check, level, text, details, fix });
  return { ok: say('ok'), info: say('info'), warn: say('warn'), fail: say('fail') };
}

export type Summary = { readonly [Each in Level]: number };

export function summarize(findings: readonly Finding[]): Summary {
  const summary = { ok: 0, info: 0, warn: 0, fail: 0 };
  for (const { level } of findings) summary[level] += 1;
  return summary;
}

const SHOWN_MAX = 8;

/** A list cut to what a person reads, saying how much was left out. */
export function shorten(lines: readonly string[]): readonly string[] {
  return lines.length <= SHOWN_MAX ? lines : [...lines.slice(0, SHOWN_MAX - 1), `and ${lines.length - SHOWN_MAX + 1} more`];
}
