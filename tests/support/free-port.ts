import { once } from 'node:events';
import { mkdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/**
 * Where no system picks ports by itself: one that is free here stays so until the process that gets it has started, whatever
 * connections and servers on port 0 are opened meanwhile.
 */
const FIRST = 12_000;
const COUNT = 16_000;

/** One folder a port: two test processes that look at a port at the same moment would both find it free. */
const RESERVED = join(tmpdir(), `kmi-test-ports-${userInfo().uid}`);
/** A process that was killed leaves its folders behind. */
const STALE_MS = 15 * 60_000;

let next = Math.floor(Math.random() * COUNT);
const ours: string[] = [];
process.once('exit', () => {
  for (const folder of ours) rmSync(folder, { recursive: true, force: true });
});

/** A loopback port that nobody holds or is about to; for a process that must be told its port before it starts. */
export async function freePort(): Promise<number> {
  mkdirSync(RESERVED, { recursive: true });
  for (;;) {
    const port = FIRST + next;
    next = (next + 1) % COUNT;
    if (reserve(port) && (await isFree(port))) return port;
  }
}

function reserve(port: number): boolean {
  const folder = join(RESERVED, String(port));
  try {
    mkdirSync(folder);
  } catch {
    const made = statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (Date.now() - made < STALE_MS) return false;
    utimesSync(folder, new Date(), new Date());
  }
  ours.push(folder);
  return true;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const outcome = Promise.race([once(server, 'listening').then(() => true), once(server, 'error').then(() => false)]);
  server.listen(port, '127.0.0.1');
  if (!(await outcome)) return false;
  server.close();
  await once(server, 'close');
  return true;
}
