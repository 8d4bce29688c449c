import type { Run } from '../run.ts';
import { cpuOf, rotate, round } from '../sampling.ts';
import { median, spread } from '../statistics.ts';
import { type Program, startSubject } from '../subjects/start.ts';

type StartSample = { readonly ms: number; readonly cpuMs: number };

/** From starting the process to its first forwarded answer; what the bench prepares before is not counted. */
export async function benchStart({ programs, upstream, rounds, print, compare }: Run): Promise<void> {
  const measured = programs.filter(({ kind }) => kind === 'bare' || kind === 'kmi');
  const samples = new Map<string, StartSample[]>(measured.map(({ name }) => [name, []]));
  for (let n = 0; n <= rounds * 2; n++) {
    for (const program of rotate(measured, n)) {
      const sample = await sampleOf(program, upstream);
      // The first round warms the file cache.
      if (n > 0) samples.get(program.name)?.push(sample);
    }
  }
  const valuesOf = (field: keyof StartSample) =>
    new Map([...samples].map(([name, list]) => [name, list.map((sample) => sample[field])]));
  const [times, cpu] = [valuesOf('ms'), valuesOf('cpuMs')];
  const base = median(times.get('bare') ?? []);
  print(
    'Cold start to first answer',
    [...times].map(([name, list]) => ({
      subject: name,
      'vs bare': round(median(list) / base),
      ms: round(median(list)),
      '±': round(spread(list)),
      'cpu ms': round(median(cpu.get(name) ?? [])),
    })),
  );
  compare('cold start: ms', times);
  compare('cold start: CPU ms', cpu);
}

async function sampleOf(program: Program, upstream: string): Promise<StartSample> {
  const subject = await startSubject(program, upstream);
  try {
    await (await fetch(subject.origin + subject.path, { method: 'POST', body: '{}' })).arrayBuffer();
    return { ms: performance.now() - subject.startedAt, cpuMs: cpuOf(subject) };
  } finally {
    await subject.stop();
  }
}
