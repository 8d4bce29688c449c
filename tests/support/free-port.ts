import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Where no system picks ports by itself: one that is free here stays so until the process that gets it has started, whatever
 * connections and servers on port 0 are opened meanwhile.
 */
const LOWEST = 12_000;
/** Each worker has a range of its own: two that look at one port at the same moment would both find it free. */
const COUNT = 2_000;
const FIRST = LOWEST + (Number(process.env.VITEST_POOL_ID ?? 0) % 8) * COUNT;

let next = Math.floor(Math.random() * COUNT);

/** A loopback port that nobody holds; for a process that must be told its port before it starts. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + next;
    next = (next + 1) % COUNT;
    if (await isFree(port)) return port;
  }
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
