import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Processor time in ms and resident memory in MB of a process, from the kernel's own counters. */
export type ProcessUsage = { readonly cpuMs: number; readonly rssMb: number };

/** Clock ticks a second; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;

export function usageOf(pid: number): ProcessUsage {
  if (process.platform !== 'linux') return usageFromPs(pid);
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // schedstat counts in nanoseconds where the kernel has it, but only of the main thread; ticks count all threads.
  const ticks = Number(fields[11]) + Number(fields[12]);
  return { cpuMs: (ticks * 1000) / TICKS_PER_SECOND, rssMb: (Number(fields[21]) * PAGE_BYTES) / 1024 / 1024 };
}

function usageFromPs(pid: number): ProcessUsage {
  const [time = '0:0', rss = '0'] = execFileSync('ps', ['-o', 'time=,rss=', '-p', String(pid)], { encoding: 'utf8' })
    .trim()
    .split(/\s+/);
  const seconds = time.split(/[:-]/).reduce((total, part) => total * 60 + Number(part), 0);
  return { cpuMs: seconds * 1000, rssMb: Number(rss) / 1024 };
}
