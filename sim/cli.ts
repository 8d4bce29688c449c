import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { renderChart } from './chart.ts';
import { type GroupResult, runAll } from './report.ts';
import { renderTables, replaceTables } from './table.ts';

/**
 * Simulates weeks of sessions over pools of accounts and compares the strategies. Writes the tables into
 * docs/simulation.md and the chart docs/simulation.svg. `--short`: two pools over three weeks, printed only. `--seed N`;
 * `--json` prints the figures as data.
 */

const DOCUMENT = fileURLToPath(new URL('../docs/simulation.md', import.meta.url));
const CHART = fileURLToPath(new URL('../docs/simulation.svg', import.meta.url));

const { argv } = process;
const isShort = argv.includes('--short');
const seedAt = argv.indexOf('--seed');
const seed = seedAt === -1 ? null : Number(argv[seedAt + 1]);
const groups: readonly GroupResult[] = runAll({ short: isShort, ...(seed === null ? {} : { seed }) });

console.log(argv.includes('--json') ? JSON.stringify(groups) : renderTables(groups));
if (!isShort && seed === null) {
  writeFileSync(DOCUMENT, replaceTables(readFileSync(DOCUMENT, 'utf8'), renderTables(groups)));
  writeFileSync(CHART, renderChart(groups));
}
