import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Descriptors a process holds, and how many of them are sockets; null where there is no /proc. */
export function descriptorsOf(pid: number): { readonly all: number; readonly sockets: number } | null {
  if (process.platform !== 'linux') return null;
  const names = readdirSync(`/proc/${pid}/fd`);
  const links = names.map((name) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${name}`);
    } catch {
      return '';
    }
  });
  return { all: names.length, sockets: links.filter((link) => link.startsWith('socket:')).length };
}

/** Resident memory in MB; null where there is no /proc. */
export function residentMbOf(pid: number): number | null {
  if (process.platform !== 'linux') return null;
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}
