import { padToWidth, wrapToWidth } from './ui/width.ts';

/** What `--help` says below the options of a command. */
export type HelpRow = {
  readonly aliases?: readonly string[];
  readonly details?: string;
  readonly exitCodes?: readonly (readonly [code: number, meaning: string])[];
  readonly examples: readonly string[];
};

const MAX_WIDTH = 100;

/** Details, exit codes and examples, wrapped to `columns`. Examples stay whole, so that they can be copied. */
export function renderHelpText({ aliases = [], details, exitCodes = [], examples }: HelpRow, columns: number): string {
  const width = Math.min(columns, MAX_WIDTH);
  const codeWidth = Math.max(1, ...exitCodes.map(([code]) => String(code).length));
  const sections = [
    ...(aliases.length === 0 ? [] : [[`Also: ${aliases.map((alias) => `kmi ${alias}`).join(', ')}`]]),
    ...(details === undefined ? [] : details.split(/\n{2,}/).map((paragraph) => renderParagraph(paragraph, width))),
    ...(exitCodes.length === 0
      ? []
      : [
          [
            'Exit codes:',
            ...exitCodes.flatMap(([code, meaning]) =>
              wrapToWidth(meaning, width - codeWidth - 4).map(
                (line, n) => `  ${padToWidth(n === 0 ? String(code) : '', codeWidth)}  ${line}`,
              ),
            ),
          ],
        ]),
    ['Examples:', ...examples.map((example) => `  $ ${example}`)],
  ];
  return sections.map((lines) => `\n${lines.join('\n')}`).join('\n');
}

/** Lines flow together; a paragraph of indented lines stays as it is. */
function renderParagraph(paragraph: string, width: number): readonly string[] {
  const lines = paragraph.split('\n');
  return lines.every((line) => line.startsWith('  ')) ? lines : wrapToWidth(lines.map((line) => line.trim()).join(' '), width);
}
