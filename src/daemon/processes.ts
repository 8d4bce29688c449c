import { readFile } from 'node:fs/promises';
import { reasonOf } from '../errors.ts';

/** `foreign`: it lives and belongs to somebody else, so it cannot be signalled. */
export type Aliveness = 'alive' | 'foreign' | 'gone';

/**
 * Whether a process lives. One that has ended and waits for its parent to take note (a zombie) is gone, once its last
 * thread has ended too: until then its sockets are open.
 */
export async function alivenessOf(pid: number): Promise<Aliveness> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return reasonOf(error) === 'EPERM' ? 'foreign' : 'gone';
  }
  const stat = await readStat(pid);
  return stat?.state === 'Z' && stat.threads <= 1 ? 'gone' : 'alive';
}

/** The command line of a process, where the system shows it as a file (Linux); null elsewhere. */
export async function commandLineOf(pid: number): Promise<string | null> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return text === '' ? null : text.split('\0').join(' ').trim();
}

/**
 * Tells a process from a later one of the same number: when it started. Null when the system does not say, and for a
 * process that is gone.
 */
export async function identityOf(pid: number): Promise<string | null> {
  const stat = await readStat(pid);
  if (stat !== null) {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
    return `${boot.trim()}-${stat.startTime}`;
  }
  return process.platform === 'linux' ? null : startTimeFromPs(pid);
}

/** State, threads and start time (proc(5), fields 3, 20 and 22). The name before them may hold anything, brackets included. */
async function readStat(pid: number): Promise<{ state: string; threads: number; startTime: string } | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, threads, startTime] = [fields[0], fields[17], fields[19]];
  return state === undefined || startTime === undefined ? null : { state, threads: Number(threads), startTime };
}

/** For macOS and the BSDs, which have no `/proc`. */
export async function startTimeFromPs(pid: number): Promise<string | null> {
  try {
    // Loaded here: everyday commands on Linux start no process.
    const [{ execFile }, { promisify }] = await Promise.all([import('node:child_process'), import('node:util')]);
    const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)], {
      env: { ...process.env, LC_ALL: 'C' },
    });
    return stdout.trim() === '' ? null : stdout.trim();
  } catch {
    return null;
  }
}
