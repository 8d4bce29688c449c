import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { parseState } from '../../src/state/schema.ts';
import { statePath } from '../../src/state/store.ts';
import { parseTraceLine, readLastEvents } from '../../src/trace/trace-reader.ts';
import { tracePath } from '../../src/trace/writer.ts';
import { eventually } from '../support/eventually.ts';
import { soon } from '../support/soon.ts';
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
    const place = await install({
      accounts: SHARED,
      settings: { KMI_TRACE_MAX_MB: '0' },
      simulator: { record: true, behaviour: { chunkPauseMs: 1 } },
    });
    const { home, simulator, startProxy } = place;
    let before: Counts = {};
    let commandKills = 0;
    let tornLines = 0;
    let blocksSeen = 0;
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
      const blocked = await refuseOne(place, url, random.pick(SHARED), random.between(0, 300));
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
      if (blocked !== null && killedAt - blocked.at > 1_000) {
        blocksSeen += 1;
        expect(keys.get(blocked.label)?.block?.reason, `the block of ${blocked.label} after kill ${kill}`).toBe(
          'payment_required',
        );
      }
      // What a command said is done is done: another can only have added to it.
      if (alsoCommand) {
        expect(counts.command ?? 0).toBeGreaterThanOrEqual(known?.added.command ?? 0);
        child = childOf();
      }
      tornLines = await countTornLines(home.stateDir);
      expect(tornLines).toBeLessThanOrEqual(kill);
      simulator.received.length = 0;
      // The next proxy begins with keys that can serve.
      await clear(place);
    }
    child.process.kill('SIGKILL');
    await child.ended;
    const events = await readLastEvents(tracePath(home.stateDir), 1_000_000);
    expect(events.length).toBeGreaterThan(KILLS);
    // How many fall into a kill's moment is chance; in the short form there are ten.
    expect(blocksSeen).toBeGreaterThanOrEqual(KILLS / 20);
    // The lock of the last dead holder stands in nobody's way.
    const startedAt = performance.now();
    await clear(place);
    expect(performance.now() - startedAt).toBeLessThan(soon(3_000));
    measured('crash', {
      kills: KILLS,
      commandsKilledToo: commandKills,
      blocksChecked: blocksSeen,
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

/** One account's membership ends: a block, which is to be on disk within a second of being set. */
async function refuseOne(
  { simulator }: Installation,
  url: string,
  label: string,
  afterMs: number,
): Promise<{ label: string; at: number } | null> {
  await delay(afterMs);
  simulator.account(label).fail('no_plan', { times: 1 });
  return eventually(async () => {
    const { keys } = (await (await fetch(new URL('/healthz', url))).json()) as { keys: { out: number } };
    return keys.out > 0 ? { label, at: Date.now() } : undefined;
  }, 3_000).catch(() => null);
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

/** Lines of the trace, rotated ones left out, that are no JSON. */
async function countTornLines(stateDir: string): Promise<number> {
  const text = await readFile(tracePath(stateDir), 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line !== '' && parseTraceLine(line) === null).length;
}
