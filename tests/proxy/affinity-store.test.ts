import { beforeEach, describe, expect, it } from 'vitest';
import type { AccountSkip } from '../../src/core/choosing/account-pool.ts';
import { RateLimit } from '../../src/core/choosing/rate-limit.ts';
import { newKeyState } from '../../src/core/keys/key-state.ts';
import { Affinity } from '../../src/proxy/pool/affinity.ts';
import { AffinityStore } from '../../src/proxy/pool/affinity-store.ts';
import { PoolEntry } from '../../src/proxy/pool/pool-entry.ts';

const ID = 7;
const clock = () => 1;
const [a, b] = ['a', 'b'].map((label) => {
  const key = { label, value: label, hash: label, baseUrl: 'https://x', priority: 0, weight: 100, disabled: false };
  const entry = new PoolEntry(
    { ...key, email: null, source: '' },
    newKeyState(),
    new RateLimit({ perSecond: 0, perMinute: 0 }, clock),
  );
  entry.accountId = label;
  return entry;
}) as [PoolEntry, PoolEntry];

let moves: number[] = [];
let store: AffinityStore;

beforeEach(() => {
  moves = [];
  const ledger = { sessionMoved: (tokens: number) => moves.push(tokens) };
  store = new AffinityStore({ ledger, log: { info: () => undefined }, clock, deferred: { catchUp: () => undefined } });
});

const aRequest = () => new Affinity({ id: ID, source: 'header' }, null, true);
const home = () => store.sessions.accountOf(ID);
const labelsOf = (accountId: string) => [accountId];

function choose(request: Affinity, candidate: PoolEntry): void {
  const skipped: readonly AccountSkip[] = [];
  store.chosen(request, { candidate, index: 0, why: 'moved', skipped, binds: true }, labelsOf);
}

describe('requests of one session at one time', () => {
  beforeEach(() => store.sessions.set(ID, 'a', 0, 1000));

  it('that fail everywhere leave it where it was, whichever ends first', () => {
    const [one, two] = [aRequest(), aRequest()];
    choose(one, a);
    choose(one, b);
    // The second begins where the first has led the session, and leads it home.
    choose(two, b);
    choose(two, a);
    store.gaveUp(one);
    store.gaveUp(two);
    expect([home(), moves]).toEqual(['a', []]);
  });

  it('move it once when both are served elsewhere', () => {
    const [one, two] = [aRequest(), aRequest()];
    choose(one, b);
    choose(two, b);
    store.served(two, b, []);
    store.served(one, b, []);
    store.gaveUp(one);
    expect([home(), moves]).toEqual(['b', [1000]]);
  });
});

it('a session that is put back goes to its account by the name that has now', () => {
  store.sessions.set(ID, 'key:a', 0);
  const request = aRequest();
  choose(request, b);
  store.renameAccounts(new Map([['key:a', 'a']]));
  store.gaveUp(request);
  expect(home()).toBe('a');
});
