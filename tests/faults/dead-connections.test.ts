import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { soon } from '../support/soon.ts';
import { IS_LONG, measured, sized } from './form.ts';
import { type Installation, install } from './installation.ts';
import { itSurvives } from './seeded.ts';
import { startTcpGate, type TcpGate } from './tcp-gate.ts';
import { inParallel, newAgent, readChat, sendChat } from './traffic.ts';

const WIDTH = 12;
/** Longer than the proxy keeps an idle connection. */
const KEPT_MS = 31_000;
const chat = { protocol: 'openai', stream: true, mark: 'x' } as const;

/** A proxy that holds idle connections to its upstream, through a gate that can kill them. */
async function withIdleConnections(
  settings: Readonly<Record<string, string>> = {},
): Promise<{ place: Installation; gate: TcpGate; url: string; pid: number }> {
  const gate = await startTcpGate();
  const place = await install({
    accounts: ['a', 'b'],
    simulator: { behaviour: { latencyMs: 20 } },
    settings: { KMI_UPSTREAM_BASE_URL: gate.baseUrl, ...settings },
  });
  gate.leadTo(place.simulator.port);
  const { url, pid } = await place.startProxy();
  expect(await burst(url)).toEqual([]);
  expect(gate.connections).toBeGreaterThanOrEqual(WIDTH / 2);
  return { place, gate, url, pid };
}

/** Several clients at once; what went wrong for them. */
async function burst(url: string, width = WIDTH): Promise<string[]> {
  const agent = newAgent();
  const problems: string[] = [];
  await inParallel(width, width, async () => {
    const reading = readChat(await sendChat(url, chat, agent), chat);
    if ('problem' in reading) problems.push(reading.problem);
  });
  agent.destroy();
  return problems;
}

describe('connections to the upstream that died while they were idle cost no client an error', () => {
  itSurvives('reset by the other side', 60_000, async (random) => {
    const { place, url } = await withIdleConnections();
    for (let n = 0; n < sized(20, 200); n++) {
      place.simulator.resetConnections();
      // At once, or when the news has arrived.
      await delay(random.pick([0, 0, 1, 5, 20]));
      expect(await burst(url, random.between(1, WIDTH))).toEqual([]);
    }
    const { keys } = await place.readState();
    for (const key of [keys.a, keys.b]) expect(key).toMatchObject({ exhausted_until: null, error_5xx: 0 });
    measured('dead connections, reset', { times: sized(20, 200), clientErrors: 0 });
  });

  itSurvives('without a word, while the machine slept', 60_000, async () => {
    const { gate, url, pid } = await withIdleConnections();
    process.kill(pid, 'SIGSTOP');
    expect(gate.freeze()).toBeGreaterThan(0);
    await delay(6_500);
    // The client wakes a moment before the proxy has looked at the clock.
    const afterwards = burst(url);
    process.kill(pid, 'SIGCONT');
    const startedAt = performance.now();
    expect(await afterwards).toEqual([]);
    expect(performance.now() - startedAt).toBeLessThan(soon(2_000));
    measured('dead connections, sleep', { clientErrors: 0, servedAfterMs: Math.round(performance.now() - startedAt) });
  });

  it.runIf(IS_LONG)('without a word, longer ago than connections are kept', { timeout: 90_000 }, async () => {
    const { gate, url } = await withIdleConnections();
    gate.freeze();
    await delay(KEPT_MS);
    const startedAt = performance.now();
    expect(await burst(url)).toEqual([]);
    expect(performance.now() - startedAt).toBeLessThan(soon(2_000));
  });

  itSurvives(
    'without a word, a moment ago: the first byte timeout finds out, and another connection serves',
    60_000,
    async () => {
      const { gate, url, place } = await withIdleConnections({ KMI_PROXY_FIRST_BYTE_TIMEOUT_SECONDS: '1' });
      gate.freeze();
      const startedAt = performance.now();
      expect(await burst(url)).toEqual([]);
      const tookMs = performance.now() - startedAt;
      expect(tookMs).toBeLessThan(soon(4_000));
      const { keys } = await place.readState();
      measured('dead connections, unnoticed', {
        clientErrors: 0,
        servedAfterMs: Math.round(tookMs),
        keysOnCooldown: Object.values(keys).filter((key) => key.exhausted_until !== null).length,
      });
    },
  );
});
