import { chatBody } from '../load.ts';
import type { Run } from '../run.ts';
import { cpuOf, type Row, rotate, round, rssOf } from '../sampling.ts';
import { median, quantile } from '../statistics.ts';
import { runStreams } from '../streams.ts';
import { type Program, startSubject } from '../subjects/start.ts';

const BODY = chatBody(2048);

type StreamSample = {
  readonly p50FirstByteMs: number;
  readonly p50LateMs: number;
  readonly p99LateMs: number;
  readonly rssMb: number;
  readonly cpuMs: number;
  readonly failed: number;
};

type Samples = ReadonlyMap<string, StreamSample[]>;

/** Many streams at once. */
export async function benchStreams(run: Run): Promise<void> {
  const { programs, isShort } = run;
  for (const count of countsOf(run)) {
    const samples = new Map<string, StreamSample[]>(programs.map(({ name }) => [name, []]));
    for (let pass = 0; pass < (run.isComparison ? run.rounds : isShort ? 1 : 3); pass++) {
      for (const program of rotate(programs, pass)) samples.get(program.name)?.push(await sampleOf(program, run.upstream, count));
    }
    const title = `${count} streams of 50 chunks at 20 ms`;
    run.print(title, rowsOf(samples));
    run.compare(`${count} streams: CPU ms`, valuesOf(samples, 'cpuMs'));
    run.compare(`${count} streams: lateness p99 ms`, valuesOf(samples, 'p99LateMs'));
    run.compare(`${count} streams: memory MB`, valuesOf(samples, 'rssMb'));
  }
}

function countsOf({ isShort, isComparison }: Run): readonly number[] {
  if (isShort) return [100];
  return isComparison ? [500] : [1, 100, 500, 1000];
}

/** A fresh process each time, so that its memory is that of these streams alone. */
async function sampleOf(program: Program, upstream: string, count: number): Promise<StreamSample> {
  const subject = await startSubject(program, upstream);
  let rssMb = 0;
  const watch = setInterval(() => {
    rssMb = Math.max(rssMb, rssOf(subject));
  }, 50);
  try {
    await runStreams(subject, 1, BODY, 0);
    const cpuBefore = cpuOf(subject);
    const result = await runStreams(subject, count, BODY, Math.min(500, count));
    return {
      p50FirstByteMs: median(result.firstByteMs),
      p50LateMs: quantile(result.latenessMs, 0.5),
      p99LateMs: quantile(result.latenessMs, 0.99),
      rssMb,
      cpuMs: cpuOf(subject) - cpuBefore,
      failed: result.failed,
    };
  } finally {
    clearInterval(watch);
    await subject.stop();
  }
}

function valuesOf(samples: Samples, field: keyof StreamSample): Map<string, number[]> {
  return new Map([...samples].map(([name, list]) => [name, list.map((sample) => sample[field])]));
}

function rowsOf(samples: Samples): Row[] {
  const of = (name: string, field: keyof StreamSample) => median((samples.get(name) ?? []).map((sample) => sample[field]));
  return [...samples].map(([name, list]) => ({
    subject: name,
    'late p99 vs bare': round(of(name, 'p99LateMs') / of('bare', 'p99LateMs')),
    'late p50 ms': round(of(name, 'p50LateMs')),
    'late p99 ms': round(of(name, 'p99LateMs')),
    'first byte added ms': round(of(name, 'p50FirstByteMs') - of('direct', 'p50FirstByteMs')),
    'rss vs bare': round(of(name, 'rssMb') / of('bare', 'rssMb')),
    'rss MB': Math.round(of(name, 'rssMb')),
    'cpu ms': Math.round(of(name, 'cpuMs')),
    failed: list.reduce((total, { failed }) => total + failed, 0),
  }));
}
