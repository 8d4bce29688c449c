import { execFileSync } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { readLastEvents } from '../../src/trace/trace-reader.ts';
import { tracePath } from '../../src/trace/writer.ts';
import { cleanUp } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { measured, sized } from './form.ts';
import { type Installation, install } from './installation.ts';
import { newAgent, readChat, sendChat } from './traffic.ts';

const BROKEN_MS = sized(2_500, 75_000);
const chat = { protocol: 'openai', stream: true, mark: 'x' } as const;

/** Whether a small disk of its own may be made here: as root, outside of locked-down containers. */
const canMount = process.platform === 'linux' && process.getuid?.() === 0 && tryMount();

function tryMount(): boolean {
  const folder = join(import.meta.dirname, `.mount-${process.pid}`);
  try {
    execFileSync('mkdir', ['-p', folder], { stdio: 'pipe' });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], { stdio: 'pipe' });
    execFileSync('umount', [folder], { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  } finally {
    execFileSync('rm', ['-rf', folder]);
  }
}

function mount(folder: string, options: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'pipe' });
}

function unmount(folder: string): void {
  execFileSync('umount', ['-l', folder], { stdio: 'pipe' });
}

/** A steady load that notes what clients see. */
function startLoad(url: string): { readonly problems: string[]; served(): number; stop(): Promise<void> } {
  const agent = newAgent();
  const problems: string[] = [];
  let served = 0;
  let isOver = false;
  const clients = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      const reading = readChat(await sendChat(url, chat, agent), chat);
      if ('problem' in reading) problems.push(reading.problem);
      else served += 1;
      await delay(10);
    }
  });
  return {
    problems,
    served: () => served,
    async stop() {
      isOver = true;
      await Promise.all(clients);
      agent.destroy();
    },
  };
}

/** Breaks the disk under a loaded proxy, heals it, and looks at what clients, state, trace and log say. */
async function expectSurvives(
  what: string,
  place: Installation,
  { breakIt, heal }: { breakIt: () => Promise<void> | void; heal: () => Promise<void> | void },
): Promise<void> {
  const { kmi, url } = await place.startProxy();
  const load = startLoad(url);
  const countAll = async () => Object.values((await place.readState()).keys).reduce((sum, key) => sum + key.request_count, 0);
  await place.state(({ keys }) => (keys.a?.request_count ?? 0) > 5);
  await breakIt();
  const servedBefore = load.served();
  await delay(BROKEN_MS);
  const servedMeanwhile = load.served() - servedBefore;
  await heal();
  const healedAt = performance.now();
  // Counters come back to disk by themselves, all of them: nothing counted meanwhile is lost.
  await place.state(({ keys }) => Object.values(keys).reduce((sum, key) => sum + key.request_count, 0) >= servedBefore, 15_000);
  const healedAfterMs = performance.now() - healedAt;
  await load.stop();
  expect(load.problems).toEqual([]);
  expect(servedMeanwhile).toBeGreaterThan(BROKEN_MS / 100);
  await place.state(({ keys }) => Object.values(keys).reduce((sum, key) => sum + key.request_count, 0) === load.served(), 10_000);
  expect(await countAll()).toBe(load.served());
  // The trace goes on too.
  const [event] = await readLastEvents(tracePath(place.home.stateDir), 1);
  expect(Date.now() - Date.parse(event?.ts ?? '')).toBeLessThan(15_000);
  // Lines that the disk refused are tried again each second.
  const complaints = await eventually(async () => {
    const found = complaintsIn(await place.log());
    expect(found.length).toBeGreaterThan(0);
    return found;
  }, 5_000);
  for (const kind of new Set(complaints)) {
    expect(complaints.filter((other) => other === kind).length, kind).toBeLessThanOrEqual(Math.ceil(BROKEN_MS / 60_000));
  }
  expect(kmi.child.exitCode).toBeNull();
  await kmi.stop();
  measured(`disk, ${what}`, {
    seconds: BROKEN_MS / 1000,
    servedMeanwhile,
    clientErrors: 0,
    logLines: complaints.length,
    healedAfterMs: Math.round(healedAfterMs),
  });
}

function complaintsIn(log: string): string[] {
  const lines = log
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { level: string; message: string });
  return lines
    .filter(({ level, message }) => level === 'warn' && /written|saved|read/.test(message))
    .map(({ message }) => message);
}

it.skipIf(!canMount)(
  'a full disk: requests go on, the log says so, all is written when there is room',
  { timeout: BROKEN_MS + 60_000 },
  async () => {
    const place = await install({ accounts: ['a', 'b'] });
    const { stateDir } = place.home;
    const before = await readFile(join(stateDir, 'state.json'));
    mount(stateDir, 'size=256k,mode=700');
    cleanUp(async () => unmount(stateDir));
    await writeFile(join(stateDir, 'state.json'), before);
    const fill = join(stateDir, 'fill');
    await expectSurvives('full', place, {
      breakIt: () => {
        // Writes until there is no byte left.
        try {
          execFileSync('dd', ['if=/dev/zero', `of=${fill}`, 'bs=1k'], { stdio: 'pipe' });
        } catch {
          // That it stops with "no space left" is the point.
        }
      },
      heal: () => rm(fill),
    });
  },
);

it.skipIf(!canMount)('a state folder that becomes read-only: the same', { timeout: BROKEN_MS + 60_000 }, async () => {
  const place = await install({ accounts: ['a', 'b'] });
  const { stateDir } = place.home;
  // A read-only disk comes over the folder and goes again.
  cleanUp(async () => {
    try {
      unmount(stateDir);
    } catch {
      // It is gone already.
    }
  });
  await expectSurvives('read-only', place, { breakIt: () => mount(stateDir, 'size=64k,ro'), heal: () => unmount(stateDir) });
});

it('a state folder that nobody can make: the proxy starts and serves, and saves once it can', async () => {
  const place = await install({ accounts: ['a'], autoRotate: false });
  const { stateDir } = place.home;
  // Where a file stands there can be no folder, whoever asks.
  await writeFile(stateDir, 'in the way');
  const { url } = await place.startProxy();
  for (let n = 0; n < 20; n++) expect(readChat(await sendChat(url, chat), chat)).toMatchObject({ account: 'a' });
  await rm(stateDir);
  await place.state(({ keys }) => keys.a?.request_count === 20);
});

it('a state folder that is deleted under a running proxy is made anew, with all that was counted', {
  timeout: 60_000,
}, async () => {
  const place = await install({ accounts: ['a', 'b'] });
  const { stateDir } = place.home;
  const { url, kmi } = await place.startProxy();
  const load = startLoad(url);
  for (let n = 0; n < sized(3, 20); n++) {
    await place.state(({ keys }) => (keys.a?.request_count ?? 0) > 5, 15_000);
    await rm(stateDir, { recursive: true, force: true, maxRetries: 5 });
    // Now and then another folder is there at once.
    if (n % 2 === 1) await mkdir(stateDir, { recursive: true });
    await delay(300);
  }
  await load.stop();
  expect(load.problems).toEqual([]);
  await place.state(({ keys }) => Object.values(keys).reduce((sum, key) => sum + key.request_count, 0) === load.served(), 10_000);
  await place.state((state) => state.auto_rotate);
  expect((await readLastEvents(tracePath(stateDir), 1)).length).toBe(1);
  expect(kmi.child.exitCode).toBeNull();
  measured('disk, deleted', { times: sized(3, 20), clientErrors: 0, requests: load.served() });
});
