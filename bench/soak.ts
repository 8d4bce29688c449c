import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { positive, readFlags } from '../scripts/flags.ts';
import { type Simulator, startSimulator } from '../src/simulator/simulator.ts';
import { descriptorsOf } from '../tests/faults/process-facts.ts';
import { usageOf } from './process-usage.ts';
import { renderSoakChart } from './soak-chart.ts';
import { startTraffic } from './soak-traffic.ts';
import { median, quantile } from './statistics.ts';

/**
 * The built proxy under a steady mixed load for a long time: streams, whole answers, big bodies, clients that leave, keys
 * that come and go, accounts that fail now and then, health refreshes.
 */
const USAGE = `Usage: npm run soak -- [flags]

Runs the built proxy under a steady mixed load and writes docs/soak.svg and
docs/soak.json. Exits with 1 when memory or descriptors grow or a client sees an
error.

  --minutes 20   how long (default 20)
  --rate 30      requests a second (default 30)
  --dry          write nothing
  --help         print this`;

const flags = readFlags(USAGE, { minutes: 'string', rate: 'string', dry: 'boolean' });
const minutes = positive(USAGE, 'minutes', flags.minutes, 20);
const perSecond = positive(USAGE, 'rate', flags.rate, 30);
const CHUNKS = 12;
const SAMPLES = 120;
const KEEP = ['a', 'b', 'c', 'd'];
const COME_AND_GO = ['e', 'f'];
const RSS_GROWTH_MAX = 1.1;
/** Connections of the moment more or less: a steady load is never the same twice. */
const DESCRIPTORS_SLACK = 10;

type Sample = {
  readonly rssMb: number;
  readonly descriptors: number;
  readonly sockets: number;
  /** How late the proxy answers `/healthz`: the delay of its event loop, seen from outside. */
  readonly healthzP50Ms: number;
  readonly healthzMaxMs: number;
  readonly cpuShare: number;
  readonly requests: number;
  readonly errors: number;
};

const folder = mkdtempSync(join(tmpdir(), 'kmi-soak-'));
const simulator = await startUpstream();
const { child, url, origin } = await startProxy(simulator);
try {
  await soak();
} finally {
  child.kill('SIGTERM');
  if (child.exitCode === null) await once(child, 'exit');
  await simulator.close();
  rmSync(folder, { recursive: true, force: true });
}

async function soak(): Promise<void> {
  const pid = child.pid as number;
  const everyMs = (minutes * 60_000) / SAMPLES;
  const traffic = startTraffic(url, CHUNKS, perSecond);
  const changes = startKeyChanges();
  const healthz = startHealthz();
  const samples: Sample[] = [];
  let cpuMs = usageOf(pid).cpuMs;
  for (let n = 1; n <= SAMPLES && child.exitCode === null; n++) {
    await delay(everyMs);
    const usage = usageOf(pid);
    const descriptors = descriptorsOf(pid) ?? { all: 0, sockets: 0 };
    const latencies = healthz.take();
    samples.push({
      rssMb: usage.rssMb,
      descriptors: descriptors.all,
      sockets: descriptors.sockets,
      healthzP50Ms: median(latencies),
      healthzMaxMs: Math.max(0, ...latencies),
      cpuShare: (usage.cpuMs - cpuMs) / everyMs,
      requests: traffic.seen.requests,
      errors: traffic.seen.errors,
    });
    cpuMs = usage.cpuMs;
    if (n % (SAMPLES / 4) === 0) console.error(`  ${n / (SAMPLES / 4)} of 4 quarters`);
  }
  await Promise.all([traffic.stop(), changes.stop(), healthz.stop()]);
  if (child.exitCode !== null) throw new Error(`The proxy ended with ${child.exitCode}.`);
  report(samples, traffic.seen, changes.count());
}

function startUpstream(): Promise<Simulator> {
  const behaviour = { chunks: CHUNKS, chunkPauseMs: 20, latencyMs: 10 };
  return startSimulator({
    record: false,
    behaviour,
    accounts: [...KEEP, ...COME_AND_GO].map((name) => ({ name, keys: [keyOf(name)] })),
  }).then((started) => {
    // Accounts that fail now and then, as accounts do; there is always one that serves.
    started.account('b').fail('unavailable', { probability: 0.02 });
    started.account('c').fail('org_rpm', { probability: 0.02 });
    started.account('d').fail('refuse', { probability: 0.01 });
    return started;
  });
}

function keyOf(name: string): string {
  return `sk-kimi-soak-${name}-0123456789`;
}

function writeKey(name: string, extra = ''): void {
  writeFileSync(join(folder, '_auths', `${name}.env`), `KMI_API_KEY=${keyOf(name)}\nKMI_KEY_LABEL=${name}\n${extra}`, {
    mode: 0o600,
  });
}

async function startProxy(upstream: Simulator): Promise<{ child: ChildProcess; url: string; origin: string }> {
  const stateDir = join(folder, 'state');
  mkdirSync(join(folder, '_auths'), { mode: 0o700 });
  mkdirSync(stateDir, { mode: 0o700 });
  for (const name of KEEP) writeKey(name);
  writeFileSync(join(stateDir, 'state.json'), '{"schema_version":1,"auto_rotate":true,"keys":{}}', { mode: 0o600 });
  const started = spawn(
    process.execPath,
    [fileURLToPath(new URL('../dist/cli.js', import.meta.url)), 'proxy', '--foreground', '--quiet'],
    {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        PATH: process.env.PATH ?? '',
        HOME: folder,
        KMI_AUTHS_DIR: join(folder, '_auths'),
        KMI_STATE_DIR: stateDir,
        KMI_PROXY_LISTEN: '127.0.0.1:0',
        KMI_UPSTREAM_BASE_URL: upstream.baseUrl,
        KMI_DRY_RUN: '0',
        KMI_AUTO_ROTATE_ALLOWED: '1',
        KMI_USAGE_CACHE_SECONDS: '10',
        KMI_BLOCKLIST_RECHECK_SECONDS: '10',
      },
    },
  );
  let said = '';
  started.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text.slice(0, 10_000 - said.length);
  });
  for (let tries = 0; tries < 400; tries++) {
    if (started.exitCode !== null) break;
    const url = /serves (\S+)/.exec(said)?.[1];
    if (url !== undefined) return { child: started, url, origin: new URL(url).origin };
    await delay(50);
  }
  started.kill('SIGKILL');
  throw new Error(`The proxy did not start: ${said}`);
}

/** Two keys come, are disabled and enabled, and go, over and over. */
function startKeyChanges(): { count(): number; stop(): Promise<void> } {
  let isOver = false;
  let count = 0;
  const steps = COME_AND_GO.flatMap((name) => [
    () => writeKey(name),
    () => writeKey(name, 'KMI_KEY_DISABLED=1\n'),
    () => writeKey(name, 'KMI_KEY_PRIORITY=5\n'),
    () => rmSync(join(folder, '_auths', `${name}.env`)),
  ]);
  const work = (async () => {
    while (!isOver) {
      steps[count % steps.length]?.();
      count += 1;
      for (let waited = 0; waited < 5_000 && !isOver; waited += 100) await delay(100);
    }
  })();
  return {
    count: () => count,
    stop: () => {
      isOver = true;
      return work;
    },
  };
}

function startHealthz(): { take(): number[]; stop(): Promise<void> } {
  let latencies: number[] = [];
  let isOver = false;
  const work = (async () => {
    while (!isOver) {
      const startedAt = performance.now();
      await fetch(`${origin}/healthz`).then((answer) => answer.text());
      latencies.push(performance.now() - startedAt);
      await delay(100);
    }
  })();
  return {
    take() {
      const taken = latencies;
      latencies = [];
      return taken;
    },
    stop: () => {
      isOver = true;
      return work;
    },
  };
}

function report(
  samples: readonly Sample[],
  seen: { requests: number; left: number; errors: number; firstErrors: readonly string[] },
  keyChanges: number,
): void {
  const quarters = [0, 1, 2, 3].map((n) => samples.slice((n * SAMPLES) / 4, ((n + 1) * SAMPLES) / 4));
  const rows = quarters.map((quarter, n) => {
    const of = (field: keyof Sample) => quarter.map((sample) => sample[field]);
    const before = n === 0 ? undefined : quarters[n - 1]?.at(-1);
    return {
      quarter: n + 1,
      requests: (quarter.at(-1)?.requests ?? 0) - (before?.requests ?? 0),
      errors: (quarter.at(-1)?.errors ?? 0) - (before?.errors ?? 0),
      'rss MB': round(mean(of('rssMb'))),
      'rss max MB': round(Math.max(...of('rssMb'))),
      descriptors: median(of('descriptors')),
      sockets: median(of('sockets')),
      'healthz p50 ms': round(median(of('healthzP50Ms'))),
      'healthz p99 ms': round(quantile(of('healthzMaxMs'), 0.99)),
      'cpu %': round(mean(of('cpuShare')) * 100),
    };
  });
  console.table(rows);
  const [, second, , last] = rows as [unknown, (typeof rows)[0], unknown, (typeof rows)[0]];
  const growth = last['rss MB'] / second['rss MB'];
  const failures = [
    ...(growth > RSS_GROWTH_MAX ? [`memory grew to ${growth.toFixed(2)} times that of the second quarter`] : []),
    ...(last.descriptors > second.descriptors + DESCRIPTORS_SLACK
      ? [`descriptors grew from ${second.descriptors} to ${last.descriptors}`]
      : []),
    ...(seen.errors > 0 ? [`clients saw ${seen.errors} errors`] : []),
  ];
  const summary = `${minutes} min, ${seen.requests} requests, ${seen.left} clients left, ${keyChanges} changes of keys, ${seen.errors} errors; memory of the last quarter ${growth.toFixed(2)} times the second's`;
  console.log(summary);
  for (const error of seen.firstErrors) console.log(`  ${error.slice(0, 300)}`);
  console.log(failures.length === 0 ? 'The soak passed.' : `The soak failed: ${failures.join('; ')}.`);
  process.exitCode = failures.length === 0 ? 0 : 1;
  if (flags.dry !== true)
    writeReport(samples, { minutes, perSecond, ...seen, keyChanges, rssGrowth: round(growth), quarters: rows });
}

function writeReport(samples: readonly Sample[], summary: object): void {
  const docs = new URL('../docs/', import.meta.url);
  mkdirSync(docs, { recursive: true });
  writeFileSync(
    new URL('soak.json', docs),
    `${JSON.stringify({ node: process.version, platform: process.platform, ...summary }, null, 2)}\n`,
  );
  const of = (field: keyof Sample) => samples.map((sample) => sample[field]);
  const series = [
    { title: 'Resident memory, MB', values: of('rssMb') },
    { title: 'Open descriptors', values: of('descriptors') },
    { title: 'Open sockets', values: of('sockets') },
    { title: '/healthz, slowest of each interval, ms (delay of the event loop)', values: of('healthzMaxMs') },
    { title: 'Errors seen by clients, in all', values: of('errors') },
  ];
  writeFileSync(new URL('soak.svg', docs), renderSoakChart(series, minutes));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
