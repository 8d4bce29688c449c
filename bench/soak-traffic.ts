import { setTimeout as delay } from 'node:timers/promises';
import { type Chat, newAgent, readChat, sendChat } from '../tests/faults/traffic.ts';
import { open, send } from '../tests/support/http-client.ts';

/** What the clients of a soak have seen. */
export type Seen = { requests: number; left: number; errors: number; readonly firstErrors: string[] };

const FIRST_ERRORS_MAX = 20;
/** A long context with pictures, as an agent sends it; below what the proxy holds for another attempt. */
const BIG_BODY = Buffer.from(
  JSON.stringify({ model: 'kimi-for-coding', messages: [{ role: 'user', content: 'x'.repeat(1_500_000) }] }),
);

/**
 * Sends requests at a steady rate until told to stop: half of them streams, the rest whole answers, some with big
 * bodies; some clients leave early. `stop` resolves when the last answer is in.
 */
export function startTraffic(url: string, chunks: number, perSecond: number): { readonly seen: Seen; stop(): Promise<void> } {
  const seen: Seen = { requests: 0, left: 0, errors: 0, firstErrors: [] };
  const agent = newAgent();
  const underway = new Set<Promise<void>>();
  let count = 0;

  const one = async (n: number): Promise<void> => {
    const chat: Chat = { protocol: n % 3 === 0 ? 'anthropic' : 'openai', stream: n % 2 === 0, mark: `n${n}` };
    if (n % 17 === 0) return leave(n);
    const answer =
      n % 25 === 0
        ? await send(`${url}/chat/completions`, { headers: { 'content-type': 'application/json' }, body: BIG_BODY, agent })
        : await sendChat(url, chat, agent);
    seen.requests += 1;
    const reading = readChat(answer, n % 25 === 0 ? { protocol: 'openai', stream: false, mark: '' } : chat, chunks);
    if (!('problem' in reading)) return;
    seen.errors += 1;
    if (seen.firstErrors.length < FIRST_ERRORS_MAX) seen.firstErrors.push(`${new Date().toISOString()} ${reading.problem}`);
  };

  const leave = async (n: number): Promise<void> => {
    const body = '{"model":"kimi-for-coding","stream":true,"messages":[]}';
    const { request } = open(`${url}/chat/completions`, { headers: { 'content-type': 'application/json' }, body });
    await delay(n % 150);
    request.destroy();
    seen.left += 1;
  };

  const timer = setInterval(() => {
    count += 1;
    const request = one(count).finally(() => underway.delete(request));
    underway.add(request);
  }, 1000 / perSecond);
  return {
    seen,
    async stop() {
      clearInterval(timer);
      await Promise.all(underway);
      agent.destroy();
    },
  };
}
