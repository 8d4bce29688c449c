import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { namesOf, positive, readFlags } from '../scripts/flags.ts';
import { renderChart } from './chart.ts';
import { comparisonRows } from './compare.ts';
import { HAS_WRK } from './load.ts';
import { benchKeys } from './parts/keys.ts';
import { benchLoad } from './parts/load.ts';
import { benchSessions } from './parts/sessions.ts';
import { benchStart } from './parts/start.ts';
import { benchStrategies } from './parts/strategies.ts';
import { benchStreams } from './parts/streams.ts';
import type { Run } from './run.ts';
import type { Row } from './sampling.ts';
import { choosePrograms, comparisonOf } from './subjects/choose.ts';
import { CAN_PIN, startUpstream } from './subjects/start.ts';

/** kmi beside a bare pass-through and others, in one run, in turn and in changing order, against one static upstream. */
const USAGE = `Usage: npm run bench -- [flags]

Without flags it measures everything, which takes ten minutes, and writes
bench/results.json and docs/bench.svg.

  --short               2 KB and 88 KB bodies at 16 connections, 100 streams:
                        seconds instead of minutes; writes nothing
  --only load,keys      replace these results only: load, streams, keys, start,
                        strategies, sessions
  --subjects bare,kmi   measure these programs only: direct, bare,
                        @fastify/http-proxy, nginx, kmi
  --subjects kmi,../main
                        compare this build with that of another checkout, in
                        the same rounds; ends with the ratio of each figure;
                        writes nothing
  --subjects kmi-logins,kmi
                        compare accounts that are logged in with keys
  --rounds 20           rounds of each measurement (default 5; 3 with --short,
                        10 in a comparison)
  --seconds 2           seconds of a round (default 4; 2 with --short)
  --help                print this`;

const RESULTS = new URL('./results.json', import.meta.url);
const PARTS = {
  load: benchLoad,
  streams: benchStreams,
  keys: benchKeys,
  start: benchStart,
  strategies: benchStrategies,
  sessions: benchSessions,
} as const;
/** What is judged when two builds are compared. */
const COMPARED = ['load', 'streams', 'keys', 'start'];

const flags = readFlags(USAGE, {
  short: 'boolean',
  only: 'string',
  subjects: 'string',
  rounds: 'string',
  seconds: 'string',
});
const isShort = flags.short === true;
const programs = choosePrograms(flags.subjects);
const comparison = comparisonOf(programs);
const only: readonly string[] | null = namesOf(USAGE, 'only', flags.only, Object.keys(PARTS));

const report: Record<string, Row[]> = {};
const figures = new Map<string, ReadonlyMap<string, readonly number[]>>();
const options = {
  programs,
  rounds: positive(USAGE, 'rounds', flags.rounds, isShort ? 3 : comparison === null ? 5 : 10),
  seconds: positive(USAGE, 'seconds', flags.seconds, isShort ? 2 : 4),
  isShort,
  isComparison: comparison !== null,
  print,
  compare: (figure, values) => figures.set(figure, values),
} satisfies Omit<Run, 'upstream'>;

console.error(
  `Load by ${HAS_WRK ? 'wrk' : 'autocannon'}, ${options.rounds} rounds of ${options.seconds} s, Node ${process.versions.node}, ${cpus().length} processors${CAN_PIN ? ', the program under test alone on one' : ''}.`,
);
for (const [name, bench] of Object.entries(PARTS)) {
  if (!(only ?? (comparison === null ? Object.keys(PARTS) : COMPARED)).includes(name)) continue;
  const upstream = await startUpstream();
  try {
    await bench({ ...options, upstream: upstream.origin });
  } finally {
    await upstream.stop();
  }
}
for (const older of comparison?.older ?? []) {
  const newer = comparison?.newer.name as string;
  print(`${newer} (new) against ${older.name} (old)`, comparisonRows(figures, newer, older.name));
}
if (isShort || comparison !== null) failIfAbsurd();
else save();

function print(title: string, rows: Row[]): void {
  // A ratio to a program that is not in this run is no number.
  report[title] = rows.map((row) => Object.fromEntries(Object.entries(row).filter(([, value]) => !Number.isNaN(value))));
  console.log(`\n${title}`);
  console.table(report[title]);
}

/** This is no timed test: it fails only when something is absurd. */
function failIfAbsurd(): void {
  const kmis = programs.filter(({ kind }) => kind === 'kmi').map(({ name }) => name);
  for (const [title, rows] of Object.entries(report)) {
    for (const row of rows.filter(({ subject }) => subject === undefined || kmis.includes(String(subject)))) {
      const [cpu = 0, errors = 0, failed = 0] = [row['cpu vs bare'], row.errors, row.failed].map((value) => Number(value ?? 0));
      if (cpu <= 10 && errors === 0 && failed === 0) continue;
      console.error(`Absurd: ${title}: ${JSON.stringify(row)}`);
      process.exitCode = 1;
    }
  }
}

function save(): void {
  const machine = { processors: cpus().length, node: process.version, platform: process.platform };
  const all = only === null ? report : { ...lastReport(), ...report };
  writeFileSync(RESULTS, `${JSON.stringify({ machine, report: all }, null, 2)}\n`);
  mkdirSync(new URL('../docs/', import.meta.url), { recursive: true });
  writeFileSync(new URL('../docs/bench.svg', import.meta.url), renderChart(all));
}

function lastReport(): typeof report {
  return existsSync(RESULTS) ? (JSON.parse(readFileSync(RESULTS, 'utf8')) as { report: typeof report }).report : {};
}
