import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type OpenRequest, open, send } from '../support/http-client.ts';
import { soon } from '../support/soon.ts';
import { measured } from './form.ts';
import { install } from './installation.ts';
import { bodyOf, readChat, sendChat } from './traffic.ts';

const chat = (n: number) => ({ protocol: 'openai', stream: n % 2 === 0, mark: `number ${n} of the line` }) as const;
const REQUESTS = 20;
/** One that leaves while it waits. */
const LEAVES = 7;

/** Requests that the proxy has got so far. */
async function arrived(url: string): Promise<number> {
  const { text } = await send(new URL('/healthz', url).href, { method: 'GET' });
  return (JSON.parse(text) as { requests: number }).requests;
}

it('with KMI_PROXY_WAIT_SECONDS=30 and every key on cooldown for 5 s, requests are served after 5 s, in the order they came', async () => {
  const { simulator, startProxy, state } = await install({ accounts: ['a', 'b'], settings: { KMI_PROXY_WAIT_SECONDS: '30' } });
  const { url } = await startProxy();
  for (const name of ['a', 'b']) simulator.account(name).fail('rate_limited', { times: 1 });
  expect((await sendChat(url, chat(99))).status).toBe(429);
  const cooldownSince = performance.now();
  await state(({ keys }) => keys.a?.exhausted_until != null && keys.b?.exhausted_until != null);
  simulator.received.length = 0;
  // A kept connection may be a moment slower than a new one, which would blur the order at the upstream.
  simulator.resetConnections();

  const before = await arrived(url);
  let leaving: OpenRequest | null = null;
  const waiting: Promise<{ n: number; servedAfterMs: number; reading: object }>[] = [];
  for (let n = 0; n < REQUESTS; n++) {
    if (n === LEAVES) {
      leaving = open(`${url}/chat/completions`, {
        body: bodyOf(chat(n)),
        headers: { 'content-type': 'application/json' },
      });
    } else {
      const ask = async () => {
        const answer = await sendChat(url, chat(n));
        return { n, servedAfterMs: performance.now() - cooldownSince, reading: readChat(answer, chat(n)) };
      };
      waiting.push(ask());
    }
    // Each has arrived before the next is sent.
    await eventually(async () => expect(await arrived(url)).toBe(before + n + 1));
  }
  leaving?.request.destroy();
  const served = await Promise.all(waiting);
  expect(served.filter(({ reading }) => 'problem' in reading)).toEqual([]);
  for (const { servedAfterMs } of served) expect(servedAfterMs).toBeGreaterThan(4_700);
  const slowest = Math.max(...served.map(({ servedAfterMs }) => servedAfterMs));
  expect(slowest).toBeLessThan(soon(6_500));
  const calls = simulator.received.filter(({ path }) => !path.endsWith('/me'));
  const order = calls.map(({ body }) => Number(/number (\d+) of/.exec(body.toString())?.[1]));
  expect(order).toEqual(Array.from({ length: REQUESTS }, (_, n) => n).filter((n) => n !== LEAVES));
  measured('wait mode', { requests: served.length, servedAfterMs: Math.round(slowest), inOrder: true, leftTheLine: 1 });
}, 40_000);
