import { describe, expect, it } from 'vitest';
import type { KeyState } from '../../src/core/keys/key-state.ts';
import { Ledger } from '../../src/state/state-ledger.ts';
import { StateStore, statePath } from '../../src/state/store.ts';
import { cleanUp } from '../support/cleanup.ts';
import { temporaryFolder } from './children.ts';

const AT = Date.UTC(2026, 1, 2, 9);

async function newLedger(state: Partial<KeyState> = {}) {
  const path = statePath(await temporaryFolder());
  const store = await StateStore.open({ path, clock: () => AT, log: { warn: () => undefined } });
  cleanUp(() => store.close());
  const key = Object.assign(store.keyState('k'), state);
  return { ledger: new Ledger(store), store, key, path };
}

describe('an answer', () => {
  it('under 400 is counted and takes one off each error but a 401, which is cleared whole', async () => {
    const { ledger, key } = await newLedger({ errors401: 3, errors403: 2, errors429: 1, errors5xx: 0, requests: 9 });
    ledger.served('k', AT);
    expect(key).toMatchObject({ requests: 10, lastUsed: AT, errors401: 0, errors403: 1, errors429: 0, errors5xx: 0 });
  });

  it('under 400 ends a refusal and an upstream cooldown, but no other block and no other cooldown', async () => {
    const refused = await newLedger({
      block: { until: null, reason: 'auth' },
      cooldown: { until: AT + 9, reason: 'upstream' },
    });
    refused.ledger.served('k', AT);
    expect(refused.key).toMatchObject({ block: null, cooldown: null });

    const block = { until: null, reason: 'payment_required' };
    const cooldown = { until: AT + 9, reason: 'quota' } as const;
    const unpaid = await newLedger({ block, cooldown });
    unpaid.ledger.served('k', AT);
    expect(unpaid.key).toMatchObject({ block, cooldown });
  });

  it('that failed is counted with its error; one that says nothing of the key only as a request', async () => {
    const { ledger, key } = await newLedger();
    ledger.failed('k', AT, 'errors429');
    ledger.answered('k', AT + 1);
    ledger.brokeOff('k', AT + 2);
    expect(key).toMatchObject({ requests: 2, errors429: 1, errors5xx: 1, lastUsed: AT + 1 });
  });

  it('of /usages takes one off each error and is no request', async () => {
    const { ledger, key } = await newLedger({ errors401: 1, errors403: 2, errors429: 0 });
    ledger.usageAnswered('k');
    ledger.usageAnswered('never-used');
    expect(key).toMatchObject({ requests: 0, errors401: 1, errors403: 1, errors429: 0 });
  });
});

describe('putting a key away', () => {
  it('sets the block or the cooldown', async () => {
    const { ledger, key } = await newLedger();
    const cooldown = { until: AT + 5, reason: 'rate' } as const;
    const block = { until: null, reason: 'banned' } as const;
    ledger.penalize('k', { kind: 'cooldown', cooldown }, AT);
    ledger.penalize('k', { kind: 'block', block }, AT);
    expect(key).toMatchObject({ cooldown, block });
  });

  it('never shortens a longer cooldown of another kind', async () => {
    const cooldown = { until: AT + 3_600_000, reason: 'quota' } as const;
    const { ledger, key } = await newLedger({ cooldown });
    ledger.penalize('k', { kind: 'cooldown', cooldown: { until: AT + 60_000, reason: 'upstream' } }, AT);
    expect(key.cooldown).toEqual(cooldown);
    ledger.penalize('k', { kind: 'cooldown', cooldown: { until: AT + 3_600_001, reason: 'upstream' } }, AT);
    expect(key.cooldown?.reason).toBe('upstream');
  });

  it('again with a later reset of the same kind takes the later one, and an earlier one, too', async () => {
    const { ledger, key } = await newLedger({ cooldown: { until: AT + 300_000, reason: 'quota' } });
    for (const until of [AT + 7_200_000, AT + 3_600_000]) {
      ledger.penalize('k', { kind: 'cooldown', cooldown: { until, reason: 'quota' } }, AT);
      expect(key.cooldown?.until).toBe(until);
    }
  });

  it('is over when cleared', async () => {
    const { ledger, key } = await newLedger({
      errors401: 2,
      errors403: 2,
      block: { until: null, reason: 'banned' },
      cooldown: { until: AT + 9, reason: 'quota' },
    });
    ledger.clearBlock('k');
    expect(key).toMatchObject({ errors401: 0, errors403: 2, block: null, cooldown: { reason: 'quota' } });
    ledger.clearCooldown('k');
    expect(key.cooldown).toBeNull();
  });
});

it('choices and times are kept over a restart', async () => {
  const { ledger, store, path } = await newLedger();
  ledger.setActive('b', 1);
  ledger.setRotationIndex(2);
  ledger.setAutoRotate(true);
  ledger.healthRefreshed(AT);
  ledger.sessionMoved(70_000);
  ledger.sessionMoved(30_000);
  await store.close();
  const again = await StateStore.open({ path, clock: () => AT, log: { warn: () => undefined } });
  expect(again.state).toMatchObject({
    activeKey: 'b',
    activeIndex: 1,
    rotationIndex: 2,
    autoRotate: true,
    lastHealthRefresh: AT,
    sessionMoves: { count: 2, tokens: 100_000 },
  });
});
