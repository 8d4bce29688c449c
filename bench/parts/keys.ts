import { chatBody } from '../load.ts';
import type { Run } from '../run.ts';
import { loadOnce, type Row, rotate, round, type Sample } from '../sampling.ts';
import { median, spread } from '../statistics.ts';
import { type Program, startSubject } from '../subjects/start.ts';

/** The heap of ten thousand keys takes longer to settle. */
const WARM_UP_SECONDS = 4;
const BODY = chatBody(2048);

/** By number of keys; of one program. */
type Samples = ReadonlyMap<number, Sample[]>;

/** What many keys cost. A new process for each load: two of the same program differ more than two numbers of keys do. */
export async function benchKeys(run: Run): Promise<void> {
  const { rounds, isComparison } = run;
  const programs = run.programs.filter(({ kind }) => kind === 'kmi');
  const counts = countsOf(run);
  const samples = new Map<string, Samples>(programs.map(({ name }) => [name, new Map(counts.map((keys) => [keys, []]))]));
  const passes = isComparison ? rounds : rounds * 2;
  for (let pass = 0; pass < passes; pass++) {
    for (const keys of rotate(counts, pass)) {
      for (const program of rotate(programs, pass))
        samples
          .get(program.name)
          ?.get(keys)
          ?.push(await sampleOf(program, keys, run));
    }
    console.error(`  keys: pass ${pass + 1} of ${passes}`);
  }
  for (const [name, byCount] of samples)
    run.print(`Keys, 2 KB body, 16 connections${name === 'kmi' ? '' : `: ${name}`}`, rowsOf(byCount));
  for (const keys of counts) {
    const valuesOf = (field: keyof Sample) =>
      new Map([...samples].map(([name, byCount]) => [name, (byCount.get(keys) ?? []).map((sample) => sample[field])]));
    run.compare(`${keys} keys: CPU us a request`, valuesOf('cpuUsPerRequest'));
    run.compare(`${keys} keys: p99 ms`, valuesOf('p99'));
  }
}

function countsOf({ isShort, isComparison }: Run): readonly number[] {
  if (isComparison) return [isShort ? 1000 : 10_000];
  return isShort ? [3, 1000] : [3, 100, 10_000];
}

async function sampleOf(program: Program, keys: number, { upstream, seconds }: Run): Promise<Sample> {
  const subject = await startSubject(program, upstream, { keys });
  try {
    await loadOnce(subject, [BODY], 16, WARM_UP_SECONDS);
    return await loadOnce(subject, [BODY], 16, seconds);
  } finally {
    await subject.stop();
  }
}

function rowsOf(samples: Samples): Row[] {
  const base = median((samples.get(3) ?? []).map(({ cpuUsPerRequest }) => cpuUsPerRequest));
  return [...samples].map(([keys, list]) => {
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
  });
}
