import { writeFile } from 'node:fs/promises';
import { Agent, createServer } from 'node:http';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cleanUp } from '../support/cleanup.ts';
import { temporaryHome } from '../support/home.ts';
import { send } from '../support/http-client.ts';
import { startBinaryProxy } from '../support/proxy.ts';

const BODY = Buffer.alloc(64 * 1024, 'a');
const REQUESTS = 2400;
const AT_A_TIME = 8;

/** V8 then shows what code that is never optimised does to the young generation, and says what each collection leaves. */
const FLAGS = "for (const flag of ['--no-opt', '--trace-gc']) require('node:v8').setFlagsFromString(flag);";

it('a request that was sent up while it came in does not outlive its answer', async () => {
  const upstream = createServer((request, response) => {
    request.resume().once('end', () => response.end('{}'));
  }).listen(0, '127.0.0.1');
  cleanUp(async () => {
    upstream.close();
  });
  await new Promise((resolve) => upstream.once('listening', resolve));
  const home = await temporaryHome();
  const preload = join(home.root, 'flags.cjs');
  await writeFile(preload, FLAGS);
  const proxy = await startBinaryProxy({
    home,
    settings: {
      NODE_OPTIONS: `--require ${preload}`,
      KMI_UPSTREAM_BASE_URL: `http://127.0.0.1:${(upstream.address() as { port: number }).port}/coding/v1`,
    },
  });
  const agent = new Agent({ keepAlive: true, maxSockets: AT_A_TIME });
  cleanUp(async () => agent.destroy());
  const sendMany = async () => {
    for (let n = 0; n < REQUESTS / AT_A_TIME; n++) {
      const { status } = await send(`${proxy.url}/chat/completions`, { body: BODY, agent });
      if (status !== 200) throw new Error(`A request was answered with ${status}.`);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, sendMany));

  const lives = survivorsMb(proxy.kmi.output());
  expect(lives.length).toBeGreaterThan(6);
  const [late = Number.NaN] = lives.slice(-5).sort((a, b) => b - a);
  // 32 MB of bodies lie between two collections; kept alive, the requests they belong to are 2 MB of objects.
  expect(late).toBeLessThan(1);
});

/** What each collection of the young generation left more than the one before it, in MB, where no full one came between. */
function survivorsMb(output: string): number[] {
  const grown: number[] = [];
  let before: number | null = null;
  for (const [, kind, left] of output.matchAll(/ms: (Scavenge|Mark-Compact).*? -> ([\d.]+) \(/g)) {
    if (kind === 'Scavenge' && before !== null) grown.push(Number(left) - before);
    before = Number(left);
  }
  return grown;
}
