import { type LoadResult, runLoad } from './load.ts';
import { usageOf } from './process-usage.ts';
import type { Subject } from './subjects/start.ts';

/** One load of one program. */
export type Sample = Omit<LoadResult, 'requests' | 'seconds'> & { readonly cpuUsPerRequest: number; readonly rps: number };

/** A row of a table. */
export type Row = Record<string, string | number>;

/** `bodies` are sent in turn. */
export async function loadOnce(
  subject: Subject,
  bodies: readonly string[],
  connections: number,
  forSeconds: number,
): Promise<Sample> {
  const before = cpuOf(subject);
  const { requests, seconds: took, p50, p99, errors } = await runLoad(subject, bodies, connections, forSeconds);
  const cpuMs = cpuOf(subject) - before;
  return { cpuUsPerRequest: (cpuMs * 1000) / Math.max(requests, 1), rps: requests / took, p50, p99, errors };
}

/** Processor time of all its processes so far, in ms. */
export function cpuOf(subject: Subject): number {
  return subject.pids.reduce((total, pid) => total + usageOf(pid).cpuMs, 0);
}

export function rssOf(subject: Subject): number {
  return subject.pids.reduce((total, pid) => total + usageOf(pid).rssMb, 0);
}

/** The same in another order, so that nobody is always first. */
export function rotate<Item>(items: readonly Item[], by: number): Item[] {
  return items.map((_, n) => items[(n + by) % items.length] as Item);
}

export function round(value: number): number {
  return Math.round(value * 100) / 100;
}
