import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { positive, readFlags } from '../scripts/flags.ts';
import { renderChart } from './chart.ts';
import { type GroupResult, runAll } from './report.ts';
import { renderTables, replaceTables } from './table.ts';

const USAGE = `Usage: npm run sim -- [flags]

Simulates weeks of sessions over pools of accounts and compares the strategies.
Writes the tables into docs/simulation.md and the chart docs/simulation.svg.

  --short    two pools over three weeks; writes nothing
  --seed 7   other random numbers; writes nothing
  --json     print the figures as data
  --help     print this`;

const DOCUMENT = fileURLToPath(new URL('../docs/simulation.md', import.meta.url));
const CHART = fileURLToPath(new URL('../docs/simulation.svg', import.meta.url));

const flags = readFlags(USAGE, { short: 'boolean', seed: 'string', json: 'boolean' });
const isShort = flags.short === true;
const seed = flags.seed === undefined ? null : positive(USAGE, 'seed', flags.seed, 1);
const groups: readonly GroupResult[] = runAll({ short: isShort, ...(seed === null ? {} : { seed }) });

console.log(flags.json === true ? JSON.stringify(groups) : renderTables(groups));
if (!isShort && seed === null) {
  writeFileSync(DOCUMENT, replaceTables(readFileSync(DOCUMENT, 'utf8'), renderTables(groups)));
  writeFileSync(CHART, renderChart(groups));
}
