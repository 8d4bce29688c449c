import type { GroupResult } from './report.ts';

const BEGIN = '<!-- figures: begin, written by npm run sim -->';
const END = '<!-- figures: end -->';

const COLUMNS = [
  'pool',
  'strategy',
  'bound, of demand',
  'demand served',
  'of the bound',
  'of what lasts',
  'cached input',
  'of one account',
  'refused',
  'moves per session',
  'fairness',
];

/** Markdown tables, one a group. */
export function renderTables(groups: readonly GroupResult[]): string {
  return groups
    .map(({ title, rows }) => {
      const lines = rows.flatMap(({ name, idealCacheShare, boundOfDemand, results }) =>
        results.map((result, n) => [
          n === 0 ? name : '',
          result.strategy,
          percent(boundOfDemand),
          percent(result.servedShare),
          percent(result.boundShare),
          percent(result.sustainableShare),
          percent(result.cacheShare),
          percent(result.cacheShare / idealCacheShare),
          percent(result.refusedShare),
          result.movesPerSession.toFixed(2),
          result.fairness.toFixed(3),
        ]),
      );
      const align = COLUMNS.map((_, n) => (n < 2 ? '---' : '---:'));
      return `### ${title}\n\n${[COLUMNS, align, ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`;
    })
    .join('\n');
}

/** The document with its figures replaced; throws when it has no place for them. */
export function replaceTables(document: string, tables: string): string {
  const from = document.indexOf(BEGIN);
  const to = document.indexOf(END);
  if (from === -1 || to < from) throw new Error('docs/simulation.md has no marked place for the figures.');
  return `${document.slice(0, from + BEGIN.length)}\n\n${tables}\n${document.slice(to)}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
