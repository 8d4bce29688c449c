import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { newKeyState } from '../../src/core/keys/key-state.ts';
import { Ledger } from '../../src/state/state-ledger.ts';
import { StateStore, statePath } from '../../src/state/store.ts';
import { cleanUp } from '../support/cleanup.ts';

const NOW = Date.UTC(2026, 10, 20, 12);
const BLOCK = { until: NOW + 60_000, reason: 'payment_required' };
const COOLDOWN = { until: NOW + 30_000, reason: 'quota' as const };

async function openLedgers(count: number): Promise<Ledger[]> {
  const folder = await mkdtemp(join(tmpdir(), 'kmi-relabelled-'));
  cleanUp(() => rm(folder, { recursive: true, force: true }));
  const options = { path: statePath(folder), clock: () => NOW, log: { warn: () => undefined } };
  const ledgers: Ledger[] = [];
  for (let n = 0; n < count; n += 1) ledgers.push(new Ledger(await StateStore.open(options)));
  cleanUp(async () => {
    for (const { store } of ledgers) await store.close();
  });
  return ledgers;
}

it('everything remembered goes along, and what the new label held before is gone', async () => {
  const [ledger] = (await openLedgers(1)) as [Ledger];
  ledger.failed('old', NOW, 'errors403');
  ledger.penalize('old', { kind: 'block', block: BLOCK }, NOW);
  ledger.failed('new', NOW - 5000, 'errors401');
  ledger.relabelled(new Map([['old', 'new']]));
  expect(ledger.store.keyState('new')).toEqual({
    ...newKeyState(),
    lastUsed: NOW,
    failedAt: NOW,
    requests: 1,
    errors403: 1,
    block: BLOCK,
  });
  expect(ledger.store.keyState('old')).toEqual({ ...newKeyState(), lastUsed: NOW, failedAt: NOW });
});

it('labels that pass from one key to the next do not mix', async () => {
  const [ledger] = (await openLedgers(1)) as [Ledger];
  ledger.served('work', NOW);
  ledger.served('work', NOW);
  ledger.failed('work-2', NOW, 'errors429');
  ledger.penalize('work-2', { kind: 'cooldown', cooldown: COOLDOWN }, NOW);
  ledger.relabelled(
    new Map([
      ['work', 'main'],
      ['work-2', 'work'],
    ]),
  );
  expect(ledger.store.keyState('main')).toMatchObject({ requests: 2, errors429: 0, cooldown: null });
  expect(ledger.store.keyState('work')).toMatchObject({ requests: 1, errors429: 1, cooldown: COOLDOWN });
  expect(ledger.store.keyState('work-2')).toMatchObject({ requests: 0, errors429: 0, cooldown: null });
});

it('a request another process counts meanwhile is not lost', async () => {
  const [ledger, proxy] = (await openLedgers(2)) as [Ledger, Ledger];
  ledger.served('old', NOW);
  await ledger.store.save();
  proxy.served('old', NOW);
  ledger.relabelled(new Map([['old', 'new']]));
  await ledger.store.save();
  await proxy.store.save();
  expect(proxy.store.keyState('old').requests + proxy.store.keyState('new').requests).toBe(2);
  expect(proxy.store.keyState('new').requests).toBe(1);
});

it('a label that now stands for another key starts anew', async () => {
  const [ledger] = (await openLedgers(1)) as [Ledger];
  ledger.failed('work', NOW, 'errors401');
  ledger.penalize('work', { kind: 'block', block: BLOCK }, NOW);
  ledger.forget('work');
  expect(ledger.store.keyState('work')).toEqual({ ...newKeyState(), lastUsed: NOW, failedAt: NOW });
});
