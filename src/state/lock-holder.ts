import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { reasonOf } from '../errors.ts';

/** Who holds a lock, as the name of the note in its folder says. */
export type Holder = {
  readonly pid: number;
  /** When the process started, in the kernel's ticks; empty where that is unknown. */
  readonly started: string;
  readonly host: string;
};

/** The name of a note for this process, another each time: `<pid>.<started>.<nonce>.<host>`. */
export function newHolderNote(): string {
  return `${process.pid}.${OWN_START}.${randomBytes(6).toString('hex')}.${encodeURIComponent(hostname())}`;
}

/** Null for a file that is no note. */
export function parseHolderNote(name: string): Holder | null {
  const match = /^([1-9]\d{0,9})\.(\d{0,20})\.[0-9a-f]{12}\.(.*)$/s.exec(name);
  if (match === null) return null;
  try {
    return { pid: Number(match[1]), started: match[2] as string, host: decodeURIComponent(match[3] as string) };
  } catch {
    return null;
  }
}

export function isThisProcess({ pid, started, host }: Holder): boolean {
  return pid === process.pid && started === OWN_START && host === hostname();
}

/** Whether the process is certainly gone; false for another host, where it is unknown. */
export function isDead({ pid, started, host }: Holder): boolean {
  if (host !== hostname()) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return reasonOf(error) === 'ESRCH';
  }
  const startedNow = startOf(pid);
  return started !== '' && startedNow !== null && startedNow !== started;
}

/** When a process started: tells it from a later one with the same pid. Linux only, else null. */
function startOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may hold spaces.
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

const OWN_START = startOf(process.pid) ?? '';
