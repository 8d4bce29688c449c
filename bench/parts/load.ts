import { chatBody } from '../load.ts';
import type { Run } from '../run.ts';
import { loadOnce, type Row, rotate, round, type Sample } from '../sampling.ts';
import { median, spread } from '../statistics.ts';
import { type Subject, startSubject } from '../subjects/start.ts';

const SIZES = { '2 KB': 2 * 1024, '88 KB': 88 * 1024 };
const WARM_UP_SECONDS = 2;

type Samples = ReadonlyMap<string, Sample[]>;

/** Plain requests. New processes for each round: two of the same program may differ by a fifth for as long as they live. */
export async function benchLoad(run: Run): Promise<void> {
  const { programs, upstream, rounds, seconds, isShort, isComparison } = run;
  const loads = Object.entries(SIZES).flatMap(([size, bytes]) =>
    (isShort || isComparison ? [16] : [1, 16, 64]).map((connections) => ({
      size,
      title: `${size} body, ${connections} connections`,
      body: chatBody(bytes),
      connections,
      samples: new Map<string, Sample[]>(programs.map(({ name }) => [name, []])),
    })),
  );
  for (let n = 0; n < rounds; n++) {
    const running: Subject[] = [];
    try {
      for (const program of programs) running.push(await startSubject(program, upstream));
      let warmFor = '';
      for (const { size, body, connections, samples } of loads) {
        // Just before its loads: large bodies leave a heap behind that small ones are slower with.
        if (size !== warmFor) for (const subject of running) await loadOnce(subject, [body], 16, warmUpSeconds(size, isShort));
        warmFor = size;
        for (const subject of rotate(running, n))
          samples.get(subject.name)?.push(await loadOnce(subject, [body], connections, seconds));
      }
    } finally {
      for (const subject of running) await subject.stop();
    }
    console.error(`  load: round ${n + 1} of ${rounds}`);
  }
  for (const { title, samples } of loads) {
    run.print(title, rowsOf(samples));
    run.compare(`${title}: CPU us a request`, valuesOf(samples, 'cpuUsPerRequest'));
    run.compare(`${title}: p99 ms`, valuesOf(samples, 'p99'));
  }
}

/** Large bodies come at a quarter of the rate, and the engine and its collector settle by requests. */
function warmUpSeconds(size: string, isShort: boolean): number {
  return isShort || size === '2 KB' ? WARM_UP_SECONDS : 3 * WARM_UP_SECONDS;
}

function valuesOf(samples: Samples, field: keyof Sample): Map<string, number[]> {
  return new Map([...samples].map(([name, list]) => [name, list.map((sample) => sample[field])]));
}

function rowsOf(samples: Samples): Row[] {
  const of = (name: string, field: keyof Sample) => median((samples.get(name) ?? []).map((sample) => sample[field]));
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
