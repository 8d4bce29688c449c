import { type Finding, type Level, SECTIONS, type Summary } from '../../../doctor/finding.ts';
import { viewWidth } from '../../ui/panel.ts';
import type { Style } from '../../ui/style.ts';
import { wrapToWidth } from '../../ui/width.ts';
import { counted } from '../../words/key-words.ts';

export type DoctorReport = {
  readonly version: string;
  readonly findings: readonly Finding[];
  readonly summary: Summary;
  /** What was fixed or cleared, a sentence each. */
  readonly actions: readonly string[];
};

const WORDS: Readonly<Record<Level, string>> = { ok: 'ok', info: 'info', warn: 'warn', fail: 'FAIL' };
/** Before the text of a finding: two blanks, the word, two blanks. */
const INDENT = ' '.repeat(8);

/** The lines of `kmi doctor`: what was done, the findings by section with their fixes, and the counts. */
export function renderDoctor(report: DoctorReport, { columns, style }: { columns: number; style: Style }): string[] {
  const width = viewWidth(columns);
  const sections = SECTIONS.flatMap((section) => {
    const findings = report.findings.filter((finding) => finding.section === section);
    return findings.length === 0
      ? []
      : ['', style.strong(section), ...findings.flatMap((each) => findingLines(each, width, style))];
  });
  return [
    `${style.strong('kmi doctor')} ${report.version}`,
    ...report.actions.flatMap((action) => hang(`  ${style.good('done')}  `, wrapToWidth(action, width - INDENT.length))),
    ...sections,
    '',
    renderSummary(report.summary, style),
  ];
}

function findingLines({ level, text, details, fix }: Finding, width: number, style: Style): string[] {
  const room = width - INDENT.length;
  const word = `  ${paintOf(level, style)(WORDS[level].padEnd(4))}  `;
  return [
    ...hang(word, wrapToWidth(text, room)),
    ...details.flatMap((detail) => hang(`${INDENT}- `, wrapToWidth(detail, room - 2), `${INDENT}  `)),
    ...(fix === null ? [] : wrapToWidth(`${style.isPlain ? '->' : '→'} ${fix}`, room).map((line) => INDENT + style.dim(line))),
  ];
}

function hang(first: string, lines: readonly string[], rest = INDENT): string[] {
  return lines.map((line, n) => `${n === 0 ? first : rest}${line}`);
}

function paintOf(level: Level, style: Style): (text: string) => string {
  switch (level) {
    case 'ok':
      return style.good;
    case 'info':
      return style.dim;
    case 'warn':
      return style.warn;
    case 'fail':
      return style.bad;
  }
}

function renderSummary({ ok, info, warn, fail }: Summary, style: Style): string {
  const warnings = counted(warn, 'warning');
  const failures = counted(fail, 'failure');
  return [`${ok} ok`, `${info} info`, warn > 0 ? style.warn(warnings) : warnings, fail > 0 ? style.bad(failures) : failures].join(
    ', ',
  );
}
