import type { ClientRequest, IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { open } from '../support/http-client.ts';
import { soon } from '../support/soon.ts';
import { IS_LONG, measured, sized } from './form.ts';
import { install } from './installation.ts';
import { descriptorsOf, residentMbOf } from './process-facts.ts';
import { itSurvives } from './seeded.ts';
import { bodyOf, inParallel, sendChat } from './traffic.ts';

const CLIENTS = sized(180, 2_000);
const AT_ONCE = 40;
const CLOSED_WITHIN_MS = 500;

/** More than all buffers on the way hold. */
const FLOOD = Array<Buffer>(400).fill(Buffer.alloc(64 * 1024, 'data: flood\n\n'));

/** What the leaving clients meet: an account that is slow to answer, one that streams slowly, one that floods. */
const ACCOUNTS = [
  { name: 'late', behaviour: { latencyMs: 60_000 } },
  { name: 'slow', behaviour: { chunkPauseMs: 20, chunks: 500 } },
  { name: 'flood', behaviour: {} },
];

itSurvives(
  `${CLIENTS} clients leave before the headers, in the middle, or stop reading: nothing of them remains`,
  600_000,
  async (random) => {
    const { simulator, startProxy, state } = await install({ accounts: ACCOUNTS });
    const { url, pid } = await startProxy();
    const warmUp = { protocol: 'openai', stream: false, mark: 'x' } as const;
    for (const { name } of ACCOUNTS) simulator.account(name).behave({ latencyMs: 0, chunks: 6 });
    await inParallel(60, 8, async () => void (await sendChat(url, warmUp)));
    for (const { name, behaviour } of ACCOUNTS) simulator.account(name).behave(behaviour);
    simulator.account('flood').respondWith({ headers: ['content-type', 'text/event-stream'], chunks: FLOOD, pauseMs: 10 });
    await delay(200);
    const before = { descriptors: (descriptorsOf(pid)?.all ?? 0) - simulator.connections, memory: residentMbOf(pid) };

    const leftAt = new Map<string, number>();
    await inParallel(CLIENTS, AT_ONCE, async (n) => {
      const mark = `client ${n}`;
      const { request, response } = open(`${url}/chat/completions`, {
        headers: { 'content-type': 'application/json' },
        body: bodyOf({ protocol: 'openai', stream: true, mark }),
      });
      await leave(request, response, random.between(0, 150), random.share() < 0.5);
      leftAt.set(mark, Date.now());
    });
    const callOf = (body: Buffer) => /client \d+/.exec(body.toString())?.[0] ?? '';
    const calls = simulator.received.filter(({ body }) => callOf(body) !== '');
    await simulator.waitFor(() => simulator.openResponses === 0, soon(5_000));
    // A call that began when its client had left already, on a busy machine, has its time from its beginning.
    const closedAfter = calls
      .filter(({ aborted }) => aborted)
      .map(({ startedAt, endedAt, body }) => (endedAt as number) - Math.max(leftAt.get(callOf(body)) as number, startedAt));
    // How many leave before the proxy has called anybody is chance, and more on a busy machine.
    expect(calls.length).toBeGreaterThan(CLIENTS * sized(0.1, 0.3));
    expect(new Set(calls.map(({ account }) => account)).size).toBe(3);
    expect(Math.max(...closedAfter)).toBeLessThan(soon(CLOSED_WITHIN_MS));

    // Idle upstream connections are kept for others, up to half a minute; nothing else may be there.
    const remaining = await eventually(
      () => {
        const kept = IS_LONG ? 0 : simulator.connections;
        const count = (descriptorsOf(pid)?.all ?? 0) - kept;
        return count <= before.descriptors + 2 ? count : undefined;
      },
      sized(5_000, 45_000),
    );
    const { keys } = await state(() => true);
    for (const { name } of ACCOUNTS) {
      expect(keys[name]).toMatchObject({ exhausted_until: null, blocked_reason: null, error_403: 0, error_429: 0, error_5xx: 0 });
    }
    const memory = residentMbOf(pid);
    if (memory !== null) expect(memory).toBeLessThan((before.memory as number) + 80);
    measured('clients leave', {
      clients: CLIENTS,
      upstreamCalls: calls.length,
      slowestCloseMs: Math.max(...closedAfter),
      descriptorsBefore: before.descriptors,
      descriptorsAfter: remaining,
      rssBeforeMb: Math.round(before.memory ?? 0),
      rssAfterMb: Math.round(memory ?? 0),
    });
  },
);

/** Goes away after `afterMs`, having read what came until then, or nothing. */
async function leave(request: ClientRequest, response: Promise<IncomingMessage>, afterMs: number, reads: boolean): Promise<void> {
  response.then(
    (incoming) => {
      incoming.on('error', () => undefined);
      if (reads) incoming.resume();
      else incoming.pause();
    },
    () => undefined,
  );
  await delay(afterMs);
  const closed = new Promise((resolve) => request.once('close', resolve));
  const wasClosed = request.closed;
  request.destroy();
  if (!wasClosed) await closed;
}
