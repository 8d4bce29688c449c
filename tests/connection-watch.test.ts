import { expect, it } from 'vitest';
import { watchConnections } from '../src/connection-watch.ts';

type Machine = { readonly addresses: (look: number) => string; readonly clock: (look: number) => number };

/** What the watch says while it looks so many times; look 1 is the one at its start. */
async function watch(looks: number, { addresses, clock }: Machine): Promise<string[]> {
  const said: string[] = [];
  let look = 0;
  // The watch alone keeps no process alive.
  const alive = setInterval(() => undefined, 1_000);
  await new Promise<void>((resolve) => {
    const stop = watchConnections({
      onDoubt: (why) => said.push(`${why} at ${look}`),
      tickMs: 1,
      clock: () => clock(look + 1),
      addresses: () => {
        look += 1;
        if (look === looks) {
          setImmediate(() => {
            stop();
            resolve();
          });
        }
        return addresses(look);
      },
    });
  });
  clearInterval(alive);
  return said;
}

it('nothing is said while the machine stays awake and where it is', async () => {
  expect(await watch(5, { addresses: () => 'eth0 10.0.0.2', clock: () => 0 })).toEqual([]);
});

it('another address is said once, and its going too', async () => {
  const addresses = (look: number) => (look === 3 ? 'eth0 10.0.0.2, tun0 10.8.0.3' : 'eth0 10.0.0.2');
  expect(await watch(5, { addresses, clock: () => 0 })).toEqual(['network at 3', 'network at 4']);
});

it('a tick that is late by more than five seconds is a sleep, whatever the network', async () => {
  const clock = (look: number) => (look < 3 ? 0 : 60_000);
  expect(await watch(5, { addresses: (look) => (look < 3 ? 'a' : 'b'), clock })).toEqual(['slept at 3']);
});

it('by itself it reads the addresses of this machine, and a network that stays gives no doubt', async () => {
  const doubts: string[] = [];
  let ticks = 0;
  const clock = () => {
    ticks += 1;
    return 0;
  };
  const stop = watchConnections({ onDoubt: (why) => doubts.push(why), clock, tickMs: 2 });
  await expect.poll(() => ticks).toBeGreaterThan(10);
  stop();
  expect(doubts).toEqual([]);
});
