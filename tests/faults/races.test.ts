import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'vitest';
import { runKmi } from '../support/spawn.ts';
import { measured, sized } from './form.ts';
import { install } from './installation.ts';
import { itSurvives, type Random } from './seeded.ts';
import { startStateChild } from './state-child.ts';
import { newAgent, readChat, sendChat } from './traffic.ts';

const PROCESSES = 8;
const COMMANDS = sized(12, 500);
const SHARED = ['a', 'b', 'c'];
const jump = pathToFileURL(join(import.meta.dirname, 'clock-jump.mjs')).href;

for (const clock of ['steady', 'jumping by an hour'] as const) {
  itSurvives(
    `${PROCESSES} processes do ${COMMANDS} state commands each beside two loaded proxies, the clock ${clock}: nothing is lost`,
    600_000,
    async (random) => {
      const clockOf = (): Record<string, string> =>
        clock === 'steady' ? {} : { NODE_OPTIONS: `--import=${jump}`, KMI_FAULT_CLOCK_SEED: String(random.between(1, 2 ** 31)) };
      const { home, simulator, env, startProxy, state } = await install({
        accounts: SHARED,
        simulator: { behaviour: { latencyMs: 15 } },
      });
      const proxies = [await startProxy(clockOf()), await startProxy(clockOf())];
      let isOver = false;
      const problems: string[] = [];
      const load = proxies.map(({ url }) => loadUntil(url, () => isOver, problems));
      const startedAt = performance.now();
      const children = Array.from({ length: PROCESSES }, (_, n) =>
        startStateChild({
          stateDir: home.stateDir,
          own: `own-${n}`,
          seed: random.between(1, 2 ** 31),
          commands: COMMANDS,
          shared: SHARED,
          env: clockOf(),
        }),
      );
      const realCommands = runCommands(random, () => isOver, { ...env, ...clockOf() }, home.root, problems);
      const said = await Promise.all(children.map(({ ended }) => ended));
      const seconds = (performance.now() - startedAt) / 1000;
      isOver = true;
      await Promise.all(load);
      const commandsRun = await realCommands;

      expect(said).toEqual(Array(PROCESSES).fill('done'));
      expect(problems).toEqual([]);
      const expected = new Map<string, number>();
      // `kmi status` asks for the usage of a live proxy's keys, whatever its own environment says.
      const calls = simulator.received.filter(({ path }) => !/\/(?:usages|me)$/.test(path));
      for (const { account } of calls) expected.set(account as string, (expected.get(account as string) ?? 0) + 1);
      for (const child of children)
        for (const [label, by] of Object.entries(child.done()?.added ?? {})) expected.set(label, (expected.get(label) ?? 0) + by);
      const sums = Object.fromEntries([...expected].filter(([label, by]) => by > 0 || SHARED.includes(label)).sort());
      const { keys } = await state((found) =>
        Object.entries(sums).every(([label, by]) => found.keys[label]?.request_count === by),
      );
      for (const [n, child] of children.entries()) {
        const done = child.done();
        const key = keys[`own-${n}`];
        expect(key?.blocked_reason ?? null).toBe(done?.block?.reason ?? null);
        expect(key?.exhausted_until ?? null).toBe(
          done?.cooldown == null ? null : new Date(done.cooldown.until).toISOString().replace('.000', ''),
        );
      }
      await expectSwitches({ ...env, ...clockOf() }, home.root, state);
      measured(`races, clock ${clock}`, {
        processes: PROCESSES,
        commands: PROCESSES * COMMANDS + commandsRun,
        requests: calls.length,
        seconds: Math.round(seconds),
        lost: 0,
      });
    },
  );
}

/** Four clients, one request after the other. */
async function loadUntil(url: string, isOver: () => boolean, problems: string[]): Promise<void> {
  const agent = newAgent();
  const chat = { protocol: 'openai', stream: false, mark: 'x' } as const;
  const clients = Array.from({ length: 4 }, async () => {
    while (!isOver()) {
      const reading = readChat(await sendChat(url, chat, agent), chat);
      if ('problem' in reading) problems.push(reading.problem);
    }
  });
  await Promise.all(clients);
  agent.destroy();
}

type Environment = Readonly<Record<string, string>>;

/** The commands themselves, as a person types them. */
async function runCommands(
  random: Random,
  isOver: () => boolean,
  env: Environment,
  cwd: string,
  problems: string[],
): Promise<number> {
  let count = 0;
  while (!isOver()) {
    const args = random.pick([['rotate'], ['rotate', 'auto'], ['rotate', 'off'], ['status']]);
    const { code, stderr } = await runKmi(args, { env: { ...env, KMI_DRY_RUN: '1' }, cwd, timeoutMs: 60_000 });
    if (code !== 0) problems.push(`kmi ${args.join(' ')} ended with ${code}: ${stderr}`);
    count += 1;
  }
  return count;
}

/** What was said last holds. */
async function expectSwitches(
  env: Environment,
  cwd: string,
  state: (holds: (found: { auto_rotate: boolean }) => boolean) => Promise<unknown>,
) {
  for (const [word, isOn] of [
    ['auto', true],
    ['off', false],
  ] as const) {
    expect((await runKmi(['rotate', word], { env, cwd })).code).toBe(0);
    await state(({ auto_rotate }) => auto_rotate === isOn);
  }
}
