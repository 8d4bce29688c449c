/** A terminal screen as a picture that needs no font of ours and no script. */
import type { Cell, CellStyle, Screen } from './terminal-screen.ts';

const CELL = 8.4;
const LINE = 18;
const MARGIN = 16;
/** The command stands in the window's title. */
const TITLE = 34;
const BACKGROUND = '#0f172a';
const FOREGROUND = '#e2e8f0';
/** By the last digit of their codes in SGR. */
const COLORS = ['#64748b', '#f87171', '#4ade80', '#facc15', '#60a5fa', '#e879f9', '#22d3ee', '#e2e8f0'] as const;

/** A window with the command as its title and the screen below it, `columns` wide. */
export function renderScreen(screen: Screen, { title, columns }: { readonly title: string; readonly columns: number }): string {
  const width = Math.ceil(columns * CELL + 2 * MARGIN);
  const height = TITLE + screen.length * LINE + MARGIN;
  const rows = screen.flatMap((row, n) => renderRow(row, TITLE + (n + 1) * LINE - 4));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="14">
<rect width="100%" height="100%" rx="8" fill="${BACKGROUND}"/>
<text x="${MARGIN}" y="22" fill="${COLORS[0]}">$ ${escaped(title)}</text>
<g fill="${FOREGROUND}" xml:space="preserve">
${rows.join('\n')}
</g>
</svg>
`;
}

function renderRow(row: readonly Cell[], y: number): readonly string[] {
  return runsOf(row).flatMap(({ at, text, style }) => {
    const x = number(MARGIN + at * CELL);
    // With its length given a run ends in its column whatever font is there.
    const length = number(text.length * CELL);
    const ground = `<rect x="${x}" y="${y - 14}" width="${length}" height="${LINE}" fill="${FOREGROUND}"/>`;
    const words = `<text x="${x}" y="${y}" textLength="${length}"${attributesOf(style)}>${escaped(text)}</text>`;
    if (style.isReversed) return [ground, words];
    return text.trim() === '' ? [] : [words];
  });
}

type Run = { readonly at: number; readonly text: string; readonly style: CellStyle };

/** Neighbours of one style together; blanks in front and behind are left out where they show nothing. */
function runsOf(row: readonly Cell[]): readonly Run[] {
  const runs: { at: number; text: string; style: CellStyle }[] = [];
  for (const [at, { character, style }] of row.entries()) {
    const last = runs.at(-1);
    if (last !== undefined && isSame(last.style, style)) last.text += character;
    else runs.push({ at, text: character, style });
  }
  return runs.flatMap((run) => (run.style.isReversed ? [run] : wordsOf(run)));
}

/** Columns are apart by two blanks or more: each starts at a place of its own. */
function wordsOf({ at, text, style }: Run): readonly Run[] {
  return [...text.matchAll(/\S+(?: \S+)*/g)].map((match) => ({ at: at + match.index, text: match[0], style }));
}

function attributesOf({ color, isBold, isDim, isReversed }: CellStyle): string {
  const fill = isReversed ? BACKGROUND : color === null ? null : COLORS[color % 10];
  return `${fill == null ? '' : ` fill="${fill}"`}${isBold ? ' font-weight="bold"' : ''}${isDim ? ' opacity="0.6"' : ''}`;
}

function isSame(one: CellStyle, other: CellStyle): boolean {
  return (
    one.color === other.color && one.isBold === other.isBold && one.isDim === other.isDim && one.isReversed === other.isReversed
  );
}

function number(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
