import { describe, expect, it, onTestFinished } from 'vitest';
import { type AccountWatchOptions, startAccountWatch } from '../../src/accounts/account-watch.ts';
import type { Key } from '../../src/core/keys/key.ts';
import type { KnownAccount } from '../../src/core/keys/key-state.ts';
import { eventually } from '../support/eventually.ts';

const DAY = 86_400_000;
const NOW = 1_790_000_000_000;

function key(label: string, given: Partial<Key> = {}): Key {
  return {
    label,
    value: label,
    hash: label,
    baseUrl: 'https://x',
    priority: 0,
    weight: 100,
    disabled: false,
    email: null,
    source: '',
    ...given,
  };
}

/** A watch over keys, with what it asked and learned. */
function watching(keys: Key[], fetch: (key: Key) => Promise<string | null>, given: Partial<AccountWatchOptions> = {}) {
  const known = new Map<string, KnownAccount>();
  const asked: string[] = [];
  const world = { keys, known, asked, now: NOW };
  const watch = startAccountWatch({
    keys: () => world.keys,
    accountOf: (label) => known.get(label) ?? null,
    fetch: (wanted) => {
      asked.push(wanted.label);
      return fetch(wanted);
    },
    onAccount: ({ label }, account) => known.set(label, account),
    clock: () => world.now,
    random: () => 0.5,
    retryMs: 20,
    ...given,
  });
  onTestFinished(watch.stop);
  return Object.assign(world, { watch });
}

describe('the watch of accounts', () => {
  it('asks for each key once, two at a time, and leaves disabled ones', async () => {
    let open = 0;
    let most = 0;
    const keys = [...Array.from({ length: 7 }, (_, n) => key(`k${n}`)), key('off', { disabled: true })];
    const world = watching(keys, async ({ label }) => {
      most = Math.max(most, ++open);
      await new Promise((resolve) => setTimeout(resolve, 5));
      open -= 1;
      return `id-${label}`;
    });
    await eventually(() => world.known.size === 7 || undefined);
    world.watch.keysChanged();
    expect(world.asked.toSorted()).toEqual(keys.slice(0, 7).map(({ label }) => label));
    expect(most).toBe(2);
    expect(world.known.get('k3')).toEqual({ id: 'id-k3', at: NOW });
  });

  it('asks again after a day, and not before', async () => {
    const world = watching([key('a')], async () => 'id');
    await eventually(() => world.known.has('a') || undefined);
    world.now = NOW + 0.95 * DAY;
    world.watch.keysChanged();
    expect(world.asked).toEqual(['a']);
    world.now = NOW + 1.15 * DAY;
    await eventually(() => world.known.get('a')?.at === world.now || undefined);
    expect(world.asked).toEqual(['a', 'a']);
  });

  it('asks at the start for a key that may have been replaced while nobody watched, and keeps what it knew until then', async () => {
    const known = new Map(['a', 'b'].map((label): [string, KnownAccount] => [label, { id: `old-${label}`, at: NOW - 1 }]));
    const learned: string[] = [];
    const world = watching([key('a'), key('b')], async ({ label }) => `new-${label}`, {
      accountOf: (label) => known.get(label) ?? null,
      isDoubtful: async ({ label }) => label === 'b',
      onAccount: ({ label }, account) => {
        known.set(label, account);
        learned.push(account.id);
      },
    });
    await eventually(() => learned.length > 0 || undefined);
    world.watch.keysChanged();
    expect([world.asked, learned, known.get('a')?.id]).toEqual([['b'], ['new-b'], 'old-a']);
  });

  it('asks again after a failure, after ever longer pauses', async () => {
    let failures = 3;
    const world = watching([key('a')], async () => (failures-- > 0 ? null : 'id'));
    const pauses = [20, 40, 80];
    for (const [n, pauseMs] of pauses.entries()) {
      await eventually(() => world.asked.length === n + 1 || undefined);
      // The answer has been taken when the same look asks nobody.
      await new Promise((resolve) => setImmediate(resolve));
      world.now += pauseMs - 1;
      world.watch.keysChanged();
      expect(world.asked).toHaveLength(n + 1);
      world.now += 1;
    }
    await eventually(() => world.known.has('a') || undefined);
    expect(world.asked).toHaveLength(4);
  });

  it('takes no answer for a key that was replaced meanwhile, and asks for the new one', async () => {
    const answers: ((id: string | null) => void)[] = [];
    const world = watching([key('a', { hash: 'old' })], () => new Promise((resolve) => answers.push(resolve)));
    await eventually(() => answers.length === 1 || undefined);
    world.keys = [key('a', { hash: 'new' })];
    world.watch.keysChanged();
    await eventually(() => answers.length === 2 || undefined);
    answers[0]?.('id-of-old');
    answers[1]?.('id-of-new');
    await eventually(() => world.known.has('a') || undefined);
    expect(world.known.get('a')?.id).toBe('id-of-new');
  });

  it('calls nobody back once it is stopped', async () => {
    const answers: ((id: string | null) => void)[] = [];
    const world = watching([key('a'), key('b'), key('c')], () => new Promise((resolve) => answers.push(resolve)));
    await eventually(() => answers.length === 2 || undefined);
    world.watch.stop();
    for (const answer of answers) answer('id');
    await new Promise((resolve) => setImmediate(resolve));
    expect([world.known.size, world.asked.length]).toEqual([0, 2]);
  });
});
