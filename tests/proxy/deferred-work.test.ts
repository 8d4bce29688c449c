import { setImmediate as endOfTurn, setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { batchWrite } from '../../src/proxy/exchange/write-batching.ts';
import { DeferredWork } from '../../src/proxy/record/deferred-work.ts';
import { nextRequestId } from '../../src/proxy/record/request-id.ts';

function leftovers() {
  const done: number[] = [];
  const leftover = (n: number, work?: Promise<void>) => ({
    doDeferred() {
      done.push(n);
      return work;
    },
  });
  return { done, leftover };
}

describe('what is left for afterwards', () => {
  it('is done together: when there is enough of it, in order, once the answers of the turn have left', async () => {
    const { done, leftover } = leftovers();
    // The time after which an unfinished batch is done stands still: a busy machine takes longer than that.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const afterwards = new DeferredWork();
    for (let n = 0; n < 31; n++) afterwards.add(leftover(n), 0);
    await endOfTurn();
    expect(done).toEqual([]);
    batchWrite({ leave: () => done.push(-1) });
    afterwards.add(leftover(31), 0);
    expect(done).toEqual([]);
    await endOfTurn();
    expect(done.shift()).toBe(-1);
    expect(done).toEqual(Array.from({ length: 32 }, (_, n) => n));
  });

  it('is done soon, also when nothing follows', async () => {
    const { done, leftover } = leftovers();
    const afterwards = new DeferredWork();
    afterwards.add(leftover(1), 0);
    await vi.waitFor(() => expect(done).toEqual([1]), 15_000);
    afterwards.add(leftover(2), 0);
    await vi.waitFor(() => expect(done).toEqual([1, 2]), 15_000);
  });

  it('is done in this turn when it keeps much in memory, and what came before is done first', async () => {
    const { done, leftover } = leftovers();
    const afterwards = new DeferredWork();
    afterwards.add(leftover(1), 100);
    afterwards.add(leftover(2), 100_000);
    await endOfTurn();
    expect(done).toEqual([1, 2]);
  });

  it('is finished when the last part of it is', async () => {
    const { done, leftover } = leftovers();
    const afterwards = new DeferredWork();
    let read = false;
    const reading = sleep(20).then(() => {
      read = true;
    });
    afterwards.add(leftover(1, reading), 0);
    afterwards.add(leftover(2), 0);
    await afterwards.finish();
    expect([done, read]).toEqual([[1, 2], true]);
  });
});

it('no two requests have the same id, not even its first six digits, and each is a UUID of version 4', () => {
  const ids = Array.from({ length: 100_000 }, nextRequestId);
  expect(new Set(ids).size).toBe(100_000);
  expect(new Set(ids.map((id) => id.slice(0, 6))).size).toBe(100_000);
  for (const id of [ids[0], ids[255], ids[99_999]])
    expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
});
