import { expect, it } from 'vitest';
import { send } from '../support/http-client.ts';
import { soon } from '../support/soon.ts';
import { measured, sized } from './form.ts';
import { install } from './installation.ts';

const SILENCE_MS = sized(3_000, 120_000);
const STREAM = ['content-type', 'text/event-stream'];
const EVENT = 'data: {"a":1}\n\n';
const ask = (url: string, path = '/chat/completions') => send(url + path, { body: '{"stream":true}' });

it(
  `${SILENCE_MS / 1000} s without a byte in a stream pass with the settings as they come`,
  async () => {
    const { simulator, startProxy } = await install({ accounts: ['a'] });
    const { url } = await startProxy();
    simulator.account('a').respondWith({ headers: STREAM, chunks: [EVENT, EVENT], pauseMs: SILENCE_MS });
    const startedAt = performance.now();
    const { text, error } = await ask(url);
    const tookMs = performance.now() - startedAt;
    expect([text, error]).toEqual([EVENT + EVENT, null]);
    expect(tookMs).toBeGreaterThanOrEqual(SILENCE_MS - 20);
    measured('silence passes', { seconds: Math.round(tookMs / 1000) });
  },
  SILENCE_MS + 30_000,
);

it(
  `${SILENCE_MS / 1000} s before the first byte pass too`,
  async () => {
    const { simulator, startProxy } = await install({ accounts: ['a'] });
    const { url } = await startProxy();
    simulator.account('a').behave({ latencyMs: SILENCE_MS });
    expect((await ask(url)).text).toContain('[DONE]');
  },
  SILENCE_MS + 30_000,
);

it('an idle timeout of 2 s ends a silent stream with the error event of its protocol', async () => {
  const { simulator, startProxy } = await install({ accounts: ['a'], settings: { KMI_PROXY_IDLE_TIMEOUT_SECONDS: '2' } });
  const { url } = await startProxy();
  simulator.account('a').respondWith({ headers: STREAM, chunks: [EVENT], end: 'hang' });
  const answers = await Promise.all(
    ['/chat/completions', '/messages'].map(async (path) => {
      const startedAt = performance.now();
      return { ...(await ask(url, path)), tookMs: performance.now() - startedAt };
    }),
  );
  const [openai, anthropic] = answers.map(({ text }) => text.slice(EVENT.length)) as [string, string];
  expect(openai).toMatch(/^\ndata: \{"error":\{.*"code":"upstream_timeout"\}\}\n\n$/);
  expect(anthropic).toMatch(/^\nevent: error\ndata: \{"type":"error","error":\{.*\}\}\n\n$/);
  for (const { error, tookMs } of answers) {
    expect(error).toBe('ECONNRESET');
    expect(tookMs).toBeGreaterThan(1_900);
    expect(tookMs).toBeLessThan(soon(3_000));
  }
  await simulator.waitFor(() => simulator.openResponses === 0);
  measured('idle timeout of 2 s', { endedAfterMs: Math.round(Math.max(...answers.map(({ tookMs }) => tookMs))) });
}, 30_000);
