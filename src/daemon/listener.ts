import { readdir, readFile, readlink } from 'node:fs/promises';

/** Bounded: the proxy of a busy machine may have many connections open. */
const DESCRIPTORS_MAX = 100_000;

/**
 * Whether the process holds a socket that listens on the TCP port, by the kernel's own books (`/proc`, Linux). Null where
 * that cannot be told: another system, another user's process.
 */
export async function listensOn(pid: number, port: number): Promise<boolean | null> {
  try {
    const inodes = await listeningInodes(pid, port);
    const names = await readdir(`/proc/${pid}/fd`);
    for (const name of names.slice(0, DESCRIPTORS_MAX)) {
      const target = await readlink(`/proc/${pid}/fd/${name}`).catch(() => '');
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
      if (inode !== undefined && inodes.has(inode)) return true;
    }
    return false;
  } catch {
    return null;
  }
}

const LISTENING = '0A';

/** Inodes of the sockets that listen on the port in the process's network (proc(5), /proc/net/tcp). */
async function listeningInodes(pid: number, port: number): Promise<ReadonlySet<string>> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const inodes = new Set<string>();
  for (const table of ['tcp', 'tcp6']) {
    const text = await readFile(`/proc/${pid}/net/${table}`, 'utf8').catch((error: unknown) => {
      // A kernel without IPv6 has no second table.
      if (table === 'tcp') throw error;
      return '';
    });
    for (const line of text.split('\n')) {
      const fields = line.trim().split(/\s+/);
      if (fields[1]?.endsWith(suffix) && fields[3] === LISTENING && fields[9] !== undefined) inodes.add(fields[9]);
    }
  }
  return inodes;
}
