import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { renderChart } from './chart.ts';
import { chatBody, HAS_WRK } from './load.ts';
import { usageOf } from './process-usage.ts';
import { cpuOf, loadOnce, type Row, rotate, round, type Sample } from './sampling.ts';
import { benchSessions } from './sessions.ts';
import { median, quantile, spread } from './statistics.ts';
import { benchStrategies } from './strategies.ts';
import { runStreams } from './streams.ts';
import {
  CAN_PIN,
  isInstalled,
  SUBJECT_NAMES,
  type Subject,
  type SubjectName,
  startSubject,
  startUpstream,
} from './subjects/start.ts';

/**
 * kmi beside a bare pass-through and others, in one run, in turn and in changing order, against one static upstream.
 *
 *   npm run bench                      everything; writes bench/results.json and docs/bench.svg
 *   npm run bench -- --short           2 KB and 88 KB bodies at 16 connections, 100 streams; seconds instead of minutes
 *   npm run bench -- --only load       replaces these results only: one of load, streams, keys, start, strategies, sessions
 *   npm run bench -- --subjects bare,kmi
 */

type StreamSample = {
  readonly p50FirstByteMs: number;
  readonly p50LateMs: number;
  readonly p99LateMs: number;
  readonly rssMb: number;
  readonly cpuMs: number;
  readonly failed: number;
};

const RESULTS = new URL('./results.json', import.meta.url);

const args = process.argv.slice(2);
const isShort = args.includes('--short');
const only = flagValue('--only');
const rounds = Number(flagValue('--rounds') ?? (isShort ? 3 : 5));
const seconds = Number(flagValue('--seconds') ?? (isShort ? 2 : 4));
const subjects = (flagValue('--subjects')?.split(',') ?? SUBJECT_NAMES).filter(
  (name) => name !== 'nginx' || isInstalled('nginx'),
) as SubjectName[];

const SIZES = { '2 KB': 2 * 1024, '88 KB': 88 * 1024 };
const CONNECTIONS = isShort ? [16] : [1, 16, 64];
const STREAMS = isShort ? [100] : [1, 100, 500, 1000];
const SESSION_COUNTS = isShort ? [100, 10_000, 100_000] : [100, 10_000, 100_000, 200_000, 300_000];
const WARM_UP_SECONDS = 2;
/** The heap of ten thousand keys takes longer to settle. */
const KEYS_WARM_UP_SECONDS = 4;
const KEYS = isShort ? [3, 1000] : [3, 100, 10_000];

const report: Record<string, Row[]> = {};

console.error(
  `Load by ${HAS_WRK ? 'wrk' : 'autocannon'}, ${rounds} rounds of ${seconds} s, ${cpus().length} processors${CAN_PIN ? ', the program under test alone on one' : ''}.`,
);
if (wanted('load')) await benchLoad();
if (wanted('streams')) await benchStreams();
if (wanted('keys')) await benchKeys();
if (wanted('start')) await benchStart();
if (wanted('strategies')) await withUpstream((upstream) => benchStrategies({ upstream, rounds, seconds, print }));
if (wanted('sessions')) await withUpstream((upstream) => benchSessions({ upstream, counts: SESSION_COUNTS, print }));
finish();

async function withUpstream(work: (origin: string) => Promise<void>): Promise<void> {
  const upstream = await startUpstream();
  try {
    await work(upstream.origin);
  } finally {
    await upstream.stop();
  }
}

function wanted(name: string): boolean {
  return only === undefined || only.split(',').includes(name);
}

function flagValue(flag: string): string | undefined {
  const at = args.indexOf(flag);
  return at === -1 ? undefined : args[at + 1];
}

/** New processes for each round: two of the same program may differ by a fifth for as long as they live. */
async function benchLoad(): Promise<void> {
  const upstream = await startUpstream();
  const loads = Object.entries(SIZES).flatMap(([size, bytes]) =>
    CONNECTIONS.map((connections) => ({
      size,
      title: `${size} body, ${connections} connections`,
      body: chatBody(bytes),
      connections,
      samples: new Map<SubjectName, Sample[]>(subjects.map((name) => [name, []])),
    })),
  );
  try {
    for (let round = 0; round < rounds; round++) {
      const running = await startAll(upstream.origin);
      try {
        let warmFor = '';
        for (const { size, body, connections, samples } of loads) {
          // Just before its loads: large bodies leave a heap behind that small ones are slower with.
          if (size !== warmFor) for (const subject of running) await loadOnce(subject, [body], 16, warmUpSeconds(size));
          warmFor = size;
          for (const subject of rotate(running, round))
            samples.get(subject.name)?.push(await loadOnce(subject, [body], connections, seconds));
        }
      } finally {
        await stopAll(running);
      }
      console.error(`  load: round ${round + 1} of ${rounds}`);
    }
  } finally {
    await upstream.stop();
  }
  for (const { title, samples } of loads) print(title, loadRows(samples));
}

/** Large bodies come at a quarter of the rate, and the engine and its collector settle by requests. */
function warmUpSeconds(size: string): number {
  return isShort || size === '2 KB' ? WARM_UP_SECONDS : 3 * WARM_UP_SECONDS;
}

function loadRows(samples: ReadonlyMap<SubjectName, readonly Sample[]>): Row[] {
  const of = (name: SubjectName, field: keyof Sample) => median((samples.get(name) ?? []).map((sample) => sample[field]));
  const direct = of('direct', 'p50');
  return [...samples].map(([name, list]) => ({
    subject: name,
    'cpu vs bare': round(of(name, 'cpuUsPerRequest') / of('bare', 'cpuUsPerRequest')),
    'cpu us/req': round(of(name, 'cpuUsPerRequest')),
    '±': round(spread(list.map((sample) => sample.cpuUsPerRequest))),
    'rps vs bare': round(of(name, 'rps') / of('bare', 'rps')),
    rps: Math.round(of(name, 'rps')),
    'p50 ms': round(of(name, 'p50')),
    'added p50 vs bare': round((of(name, 'p50') - direct) / (of('bare', 'p50') - direct)),
    'p99 ms': round(of(name, 'p99')),
    'p99 vs bare': round(of(name, 'p99') / of('bare', 'p99')),
    errors: list.reduce((total, sample) => total + sample.errors, 0),
  }));
}

async function benchStreams(): Promise<void> {
  const upstream = await startUpstream();
  const body = chatBody(2048);
  try {
    for (const count of STREAMS) {
      const samples = new Map<SubjectName, StreamSample[]>(subjects.map((name) => [name, []]));
      for (let pass = 0; pass < (isShort ? 1 : 3); pass++) {
        for (const name of rotate(subjects, pass)) {
          // A fresh process each time, so that its memory is that of these streams alone.
          const subject = await startSubject(name, upstream.origin);
          await runStreams(subject, 1, body, 0);
          const cpuBefore = cpuOf(subject);
          let rssMb = 0;
          const watch = setInterval(() => {
            rssMb = Math.max(rssMb, ...subject.pids.map((pid) => usageOf(pid).rssMb));
          }, 50);
          const result = await runStreams(subject, count, body, Math.min(500, count));
          clearInterval(watch);
          samples.get(name)?.push({
            p50FirstByteMs: median(result.firstByteMs),
            p50LateMs: quantile(result.latenessMs, 0.5),
            p99LateMs: quantile(result.latenessMs, 0.99),
            rssMb,
            cpuMs: cpuOf(subject) - cpuBefore,
            failed: result.failed,
          });
          await subject.stop();
        }
      }
      print(`${count} streams of 50 chunks at 20 ms`, streamRows(samples));
    }
  } finally {
    await upstream.stop();
  }
}

function streamRows(samples: ReadonlyMap<SubjectName, readonly StreamSample[]>): Row[] {
  const of = (name: SubjectName, field: keyof StreamSample) => median((samples.get(name) ?? []).map((sample) => sample[field]));
  return [...samples.keys()].map((name) => ({
    subject: name,
    'late p99 vs bare': round(of(name, 'p99LateMs') / of('bare', 'p99LateMs')),
    'late p50 ms': round(of(name, 'p50LateMs')),
    'late p99 ms': round(of(name, 'p99LateMs')),
    'first byte added ms': round(of(name, 'p50FirstByteMs') - of('direct', 'p50FirstByteMs')),
    'rss vs bare': round(of(name, 'rssMb') / of('bare', 'rssMb')),
    'rss MB': Math.round(of(name, 'rssMb')),
    'cpu ms': Math.round(of(name, 'cpuMs')),
    failed: of(name, 'failed'),
  }));
}

/** A new process for each load: two of the same program differ more than two numbers of keys do. */
async function benchKeys(): Promise<void> {
  const upstream = await startUpstream();
  const body = chatBody(2048);
  const samples = new Map<number, Sample[]>(KEYS.map((keys) => [keys, []]));
  try {
    for (let pass = 0; pass < rounds * 2; pass++) {
      for (const keys of rotate(KEYS, pass)) {
        const subject = await startSubject('kmi', upstream.origin, { keys });
        await loadOnce(subject, [body], 16, KEYS_WARM_UP_SECONDS);
        samples.get(keys)?.push(await loadOnce(subject, [body], 16, seconds));
        await subject.stop();
      }
      console.error(`  keys: pass ${pass + 1} of ${rounds * 2}`);
    }
  } finally {
    await upstream.stop();
  }
  const base = median((samples.get(3) ?? []).map(({ cpuUsPerRequest }) => cpuUsPerRequest));
  print(
    'Keys, 2 KB body, 16 connections',
    [...samples].map(([keys, list]) => {
      const cpu = list.map(({ cpuUsPerRequest }) => cpuUsPerRequest);
      return {
        keys,
        'cpu vs 3 keys': round(median(cpu) / base),
        'cpu us/req': round(median(cpu)),
        '±': round(spread(cpu)),
        rps: Math.round(median(list.map(({ rps }) => rps))),
        'p99 ms': round(median(list.map(({ p99 }) => p99))),
        errors: list.reduce((total, { errors }) => total + errors, 0),
      };
    }),
  );
}

/** From starting the process to its first forwarded answer. */
async function benchStart(): Promise<void> {
  const upstream = await startUpstream();
  const names = subjects.filter((name) => name === 'bare' || name === 'kmi');
  const samples = new Map<SubjectName, number[]>(names.map((name) => [name, []]));
  for (let n = 0; n <= rounds * 2; n++) {
    for (const name of rotate(names, n)) {
      const startedAt = performance.now();
      const subject = await startSubject(name, upstream.origin);
      await (await fetch(subject.origin + subject.path, { method: 'POST', body: '{}' })).arrayBuffer();
      if (n > 0) samples.get(name)?.push(performance.now() - startedAt);
      await subject.stop();
    }
  }
  await upstream.stop();
  const base = median(samples.get('bare') ?? []);
  print(
    'Cold start to first answer',
    [...samples].map(([name, list]) => ({
      subject: name,
      'vs bare': round(median(list) / base),
      ms: round(median(list)),
      '±': round(spread(list)),
    })),
  );
}

async function startAll(upstream: string): Promise<Subject[]> {
  const running: Subject[] = [];
  for (const name of subjects) running.push(await startSubject(name, upstream));
  return running;
}

async function stopAll(running: readonly Subject[]): Promise<void> {
  for (const subject of running) await subject.stop();
}

function print(title: string, rows: Row[]): void {
  report[title] = rows;
  console.log(`\n${title}`);
  console.table(rows);
}

/** Fails only when something is absurd: this is no timed test (issue text: a short form in CI). */
function finish(): void {
  if (isShort) {
    const kmi = Object.entries(report).flatMap(([title, rows]) =>
      rows.filter(({ subject }) => subject === 'kmi').map((row) => ({ title, row })),
    );
    const absurd = kmi.filter(
      ({ row }) => Number(row['cpu vs bare'] ?? 0) > 10 || Number(row.errors ?? 0) > 0 || Number(row.failed ?? 0) > 0,
    );
    for (const { title, row } of absurd) console.error(`Absurd: ${title}: ${JSON.stringify(row)}`);
    process.exitCode = absurd.length === 0 ? 0 : 1;
    return;
  }
  const machine = { processors: cpus().length, node: process.version, platform: process.platform };
  const all = only === undefined ? report : { ...lastReport(), ...report };
  writeFileSync(RESULTS, `${JSON.stringify({ machine, report: all }, null, 2)}\n`);
  mkdirSync(new URL('../docs/', import.meta.url), { recursive: true });
  writeFileSync(new URL('../docs/bench.svg', import.meta.url), renderChart(all));
}

function lastReport(): typeof report {
  return existsSync(RESULTS) ? (JSON.parse(readFileSync(RESULTS, 'utf8')) as { report: typeof report }).report : {};
}
