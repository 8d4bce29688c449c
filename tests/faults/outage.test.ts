import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { soon } from '../support/soon.ts';
import { measured, sized } from './form.ts';
import { install } from './installation.ts';
import { itSurvives } from './seeded.ts';
import { startTcpGate, type TcpGate } from './tcp-gate.ts';
import { inParallel, newAgent, readChat, sendChat } from './traffic.ts';

const OUTAGE_MS = sized(1_500, 30_000);
const NAMES = ['a', 'b', 'c'];
const chat = { protocol: 'openai', stream: true, mark: 'x' } as const;

type Outage = {
  readonly begin: (simulator: Simulator, gate: TcpGate) => Promise<void> | void;
  readonly end: (simulator: Simulator, gate: TcpGate) => Promise<void> | void;
};

const heal = (simulator: Simulator) => {
  for (const name of NAMES) simulator.account(name).heal();
};
const failAll = (...what: Parameters<ReturnType<Simulator['account']>['fail']>): Outage => ({
  begin: (simulator) => {
    for (const name of NAMES) simulator.account(name).fail(...what);
  },
  end: heal,
});

const OUTAGES: Readonly<Record<string, Outage>> = {
  'answers 503': failAll('unavailable'),
  'answers 500, 502, 504 by turns': {
    begin: (simulator) => {
      for (const name of NAMES) {
        for (const error of ['internal', 'bad_gateway', 'gateway_timeout'] as const)
          simulator.account(name).fail(error, { probability: 0.5 });
        simulator.account(name).fail('unavailable');
      }
    },
    end: heal,
  },
  'resets every connection': failAll('refuse'),
  'refuses connections': { begin: (_, gate) => gate.close(), end: (_, gate) => gate.open() },
  'is silent': failAll('hang'),
  'fails one key after the other before it fails them all': {
    begin: async (simulator) => {
      for (const name of NAMES) {
        simulator.account(name).fail('unavailable');
        await delay(200);
      }
    },
    end: heal,
  },
};

for (const [name, outage] of Object.entries(OUTAGES)) {
  itSurvives(
    `the upstream ${name} for ${OUTAGE_MS / 1000} s: the first request afterwards is served within 1 s`,
    OUTAGE_MS + 30_000,
    async (random) => {
      const gate = await startTcpGate();
      const { simulator, startProxy, env } = await install({
        accounts: NAMES,
        settings: { KMI_UPSTREAM_BASE_URL: gate.baseUrl },
      });
      expect(env.KMI_UPSTREAM_BASE_URL).toBe(gate.baseUrl);
      gate.leadTo(simulator.port);
      const { url } = await startProxy();
      const agent = newAgent();
      await inParallel(30, 4, async () => {
        expect(readChat(await sendChat(url, chat, agent), chat)).toMatchObject({ number: expect.any(Number) });
      });
      await outage.begin(simulator, gate);
      const until = performance.now() + OUTAGE_MS;
      let failed = 0;
      const clients = Array.from({ length: 8 }, async () => {
        while (performance.now() < until) {
          // A client that gets no answer gives up, as clients do.
          const answer = await Promise.race([sendChat(url, chat), delay(1_000)]);
          if (answer === undefined || 'problem' in readChat(answer, chat)) failed += 1;
          await delay(random.between(5, 100));
        }
      });
      await Promise.all(clients);
      expect(failed).toBeGreaterThan(8);
      await outage.end(simulator, gate);
      const recoveredAt = performance.now();
      const reading = readChat(await sendChat(url, chat), chat);
      const tookMs = performance.now() - recoveredAt;
      expect(reading).toMatchObject({ number: expect.any(Number) });
      expect(tookMs).toBeLessThan(soon(1_000));
      await inParallel(20, 4, async () => {
        expect(readChat(await sendChat(url, chat, agent), chat)).toMatchObject({ number: expect.any(Number) });
      });
      agent.destroy();
      measured('outage', { outage: name, seconds: OUTAGE_MS / 1000, failedMeanwhile: failed, firstAfterMs: Math.round(tookMs) });
    },
  );
}
