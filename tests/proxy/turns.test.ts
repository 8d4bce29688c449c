import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import type { Strategy } from '../../src/core/choosing/strategy.ts';
import type { Key } from '../../src/core/keys/key.ts';
import type { VerdictClass } from '../../src/core/verdicts/verdict.ts';
import { KeyPool } from '../../src/proxy/pool/key-pool.ts';
import type { PoolEntry } from '../../src/proxy/pool/pool-entry.ts';
import { Ledger } from '../../src/state/state-ledger.ts';
import { StateStore } from '../../src/state/store.ts';
import { temporaryHome } from '../support/home.ts';

const NOW = Date.UTC(2026, 10, 20, 12);
const LOG = { info: () => undefined, warn: () => undefined, error: () => undefined };

const errors = fc.constantFrom<[VerdictClass, number]>(
  ['rate', 429],
  ['rate', 403],
  ['quota', 403],
  ['broken', 500],
  ['refused', 403],
  ['foreign', 401],
  ['edge', 502],
  ['overloaded', 429],
  ['no-model', 401],
  ['caller', 400],
  ['bad-key', 401],
  ['unpaid', 402],
);
const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('serve' as const) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('fail' as const),
        error: errors,
        retryAfterMs: fc.constantFrom(null, 1_000, 90_000, 9e9),
        thenServed: fc.boolean(),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, 999, 5_000, 61_000, 400_000) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('reading' as const),
        key: fc.nat(3),
        share: fc.constantFrom(0.01, 0.19, 0.5, 1, null, 0),
      }),
    },
  ),
  { minLength: 1, maxLength: 60 },
);

function aKey(label: string): Key {
  const hash = label.charCodeAt(0).toString(16).padStart(12, '0');
  const rest = { baseUrl: 'https://up.test/v1', priority: 0, weight: 100, disabled: false, email: null, source: 'x' };
  return { label, value: `sk-kimi-${label}`, hash, ...rest };
}

/** What may keep a key from its turn, read from its state alone: nothing of past errors, nothing of a low quota. */
function mayServe(entry: PoolEntry, now: number): boolean {
  const { block, cooldown, errors401 } = entry.state;
  const isBlocked = errors401 > 0 || (block !== null && (block.until === null || block.until > now));
  const isOnCooldown = cooldown !== null && cooldown.until > now;
  return !isBlocked && !isOnCooldown && entry.health?.usage?.remainingShare !== 0;
}

async function newPool(strategy: Strategy | 'off') {
  const { stateDir } = await temporaryHome();
  const on = strategy !== 'off';
  const { config } = loadConfig({ KMI_AUTO_ROTATE_ALLOWED: '1', KMI_STATE_DIR: stateDir }, stateDir);
  const time = { now: NOW };
  const clock = () => time.now;
  const store = await StateStore.open({ path: `${stateDir}/state.json`, clock, log: LOG });
  const ledger = new Ledger(store);
  ledger.setAutoRotate(on, on ? strategy : null);
  const pool = new KeyPool(
    { config, ledger, log: LOG, clock, deferred: { catchUp: () => undefined } },
    ['a', 'b', 'c', 'd'].map(aKey),
  );
  return { pool, store, time };
}

describe.each(['round-robin', 'sticky', 'quota', 'off'] as const)('with %s', (strategy) => {
  it('over any errors, waits and readings, a key that can serve keeps its turns, and what is said to be next is next', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const { pool, store, time } = await newPool(strategy);
        let turn = 0;
        for (const step of all) {
          if (step.kind === 'wait') time.now += step.ms;
          if (step.kind === 'reading') {
            const usage = { windows: [], remainingShare: step.share, walletCents: null, parallelLimit: null, plan: null };
            pool.setHealth('abcd'[step.key] as string, { usage, error: null, fetchedAt: time.now, askedAt: time.now });
          }
          if (step.kind !== 'serve' && step.kind !== 'fail') continue;
          const able = pool.entries.filter((entry) => mayServe(entry, time.now));
          const active = pool.entries[pool.activeIndex()] as PoolEntry;
          const next = pool.next();
          const choice = pool.choose();
          expect(choice.candidate?.key ?? null).toBe(next);
          if (choice.candidate === null) {
            expect(able).toEqual([]);
            continue;
          }
          const entry = choice.candidate;
          if (able.length > 0) expect(able).toContain(entry);
          if (strategy === 'off' && able.includes(active)) expect(entry).toBe(active);
          if (strategy !== 'off' && able.length > 0) {
            const inTurn = [0, 1, 2, 3].map((n) => pool.entries[(turn + n) % 4] as PoolEntry).find((one) => able.includes(one));
            expect(entry).toBe(inTurn);
            turn = pool.entries.indexOf(entry) + 1;
          } else if (strategy !== 'off') turn = pool.entries.indexOf(entry) + 1;
          pool.began(entry);
          const startedAt = time.now;
          time.now += 1;
          if (step.kind === 'serve') pool.served(entry, []);
          else {
            const [verdict, status] = step.error;
            const outcome = {
              verdict,
              status,
              retryAfterMs: step.retryAfterMs,
              windowMs: null,
              namesReason: true,
              isUnsent: false,
              startedAt,
            };
            pool.failed(entry, outcome);
            const other = pool.entries.find((one) => one !== entry && mayServe(one, time.now));
            if (step.thenServed && other !== undefined) pool.served(other, [{ entry, outcome }]);
          }
          pool.ended(entry, time.now);
        }
        await store.close();
      }),
      { numRuns: 60 },
    );
  });
});
