import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { parseState } from '../../src/state/schema.ts';
import { statePath } from '../../src/state/store.ts';
import { readLastEvents } from '../../src/trace/reader.ts';
import { tracePath } from '../../src/trace/writer.ts';
import { measured, sized } from './form.ts';
import { type Installation, install } from './installation.ts';
import { itSurvives } from './seeded.ts';
import { startStateChild } from './state-child.ts';
import { newAgent, readChat, sendChat } from './traffic.ts';

const KILLS = sized(10, 300);
const SHARED = ['a', 'b', 'c'];
const chat = { protocol: 'openai', stream: true, mark: 'x' } as const;

type Counts = Readonly<Record<string, number>>;

itSurvives(
  `kill -9 at ${KILLS} moments under load, with commands writing beside: nothing that was saved is lost`,
  1_500_000,
  async (random) => {
    const place = await install({ accounts: SHARED, simulator: { record: true, behaviour: { chunkPauseMs: 1 } } });
    const { home, simulator, startProxy } = place;
    let before: Counts = {};
    let commandKills = 0;
    let tornLines = 0;
    let restsSeen = 0;
    const childOf = () =>
      startStateChild({
        stateDir: home.stateDir,
        own: 'command',
        seed: random.between(1, 2 ** 31),
        commands: 'forever',
        shared: SHARED,
      });
    let child = childOf();
    for (let kill = 1; kill <= KILLS; kill++) {
      const { kmi, url } = await startProxy();
      const load = startLoad(url);
      const restAt = await refuseOne(place, random.pick(SHARED), random.between(0, 300));
      await delay(random.between(0, 1_500));
      // The command is killed now and then as well.
      const alsoCommand = random.share() < 0.2;
      if (alsoCommand) child.process.kill('SIGKILL');
      const known = child.done();
      const killedAt = Date.now();
      kmi.child.kill('SIGKILL');
      await kmi.ended;
      await load.stop();
      if (alsoCommand) {
        commandKills += 1;
        await child.ended;
      }

      const text = await readFile(statePath(home.stateDir), 'utf8');
      const parsed = parseState(text);
      expect(parsed, `state.json after kill ${kill}: ${text}`).not.toBeNull();
      const { keys } = parsed?.state ?? { keys: new Map() };
      const counts = Object.fromEntries([...keys].map(([label, key]) => [label, key.requests]));
      for (const [label, count] of Object.entries(before))
        expect(counts[label], `requests of ${label} after kill ${kill}`).toBeGreaterThanOrEqual(count);
      before = counts;
      if (restAt !== null && killedAt - restAt.at > 1_000) {
        restsSeen += 1;
        expect(keys.get(restAt.label)?.block?.reason, `the block of ${restAt.label} after kill ${kill}`).toBe('payment_required');
      }
      // What a command said is done is done: another can only have added to it.
      if (alsoCommand) {
        expect(counts.command ?? 0).toBeGreaterThanOrEqual(known?.added.command ?? 0);
        child = childOf();
      }
      tornLines += await countTornLines(home.stateDir, kill - tornLines);
      simulator.received.length = 0;
      // The next proxy begins with keys that can serve.
      await clear(place);
    }
    child.process.kill('SIGKILL');
    await child.ended;
    const events = await readLastEvents(tracePath(home.stateDir), 1_000_000);
    expect(events.length).toBeGreaterThan(KILLS);
    expect(restsSeen).toBeGreaterThan(KILLS / 10);
    // The lock of the last dead holder stands in nobody's way.
    const startedAt = performance.now();
    await clear(place);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    measured('crash', {
      kills: KILLS,
      commandsKilledToo: commandKills,
      blocksChecked: restsSeen,
      tornTraceLines: tornLines,
      traceEvents: events.length,
    });
  },
);

/** Some clients; those whose proxy dies see that. */
function startLoad(url: string): { stop(): Promise<void> } {
  const agent = newAgent();
  let isOver = false;
  const clients = Array.from({ length: 6 }, async () => {
    while (!isOver) readChat(await sendChat(url, chat, agent), chat);
  });
  return {
    async stop() {
      isOver = true;
      await Promise.all(clients);
      agent.destroy();
    },
  };
}

/** One account's membership ends: a block, which is to be on disk within a second of the answer. */
async function refuseOne(
  { simulator }: Installation,
  label: string,
  afterMs: number,
): Promise<{ label: string; at: number } | null> {
  await delay(afterMs);
  simulator.account(label).fail('no_plan', { times: 1 });
  const refused = () =>
    simulator.received.find(({ account, status, endedAt }) => account === label && status === 403 && endedAt !== null);
  return simulator
    .waitFor(() => refused() !== undefined, 3_000)
    .then(
      () => ({ label, at: refused()?.endedAt as number }),
      () => null,
    );
}

async function clear({ openStore, simulator }: Installation): Promise<void> {
  const store = await openStore();
  for (const label of SHARED) {
    simulator.account(label).heal();
    store.changeKey(label, { block: null, cooldown: null });
  }
  await store.save();
  await store.close();
}

/** Lines of the trace that are no JSON; there may be `allowed` in all. */
async function countTornLines(stateDir: string, allowed: number): Promise<number> {
  const path = join(stateDir, 'trace', 'trace.jsonl');
  if ((await stat(path).catch(() => null)) === null) return 0;
  const lines = (await readFile(path, 'utf8')).split('\n');
  const torn = lines.filter((line) => {
    if (line === '') return false;
    try {
      JSON.parse(line);
      return false;
    } catch {
      return true;
    }
  }).length;
  expect(torn).toBeLessThanOrEqual(allowed);
  return 0;
}
