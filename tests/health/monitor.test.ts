import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Key } from '../../src/core/keys/key.ts';
import { type KeyState, newKeyState } from '../../src/core/keys/key-state.ts';
import { type HealthMonitor, type HealthMonitorOptions, startHealthMonitor } from '../../src/health/monitor.ts';
import type { FetchedHealth } from '../../src/health/usage-client.ts';
import { bad, good, keyNamed } from './keys.ts';

const MINUTE = 60_000;

type World = {
  monitor: HealthMonitor;
  /** Labels in the order they were asked. */
  asked: string[];
  heard: string[];
  rechecks: [string, boolean][];
  signals: AbortSignal[];
  states: Map<string, KeyState>;
  /** Replaced by tests to change the registry or the answers. */
  keys: Key[];
  answer: (key: Key) => FetchedHealth | Promise<FetchedHealth>;
};

const monitors: HealthMonitor[] = [];

function start(
  labels: readonly string[],
  changes: Partial<HealthMonitorOptions> & { blocked?: Record<string, string> } = {},
): World {
  const { blocked = {}, ...options } = changes;
  const world = {
    asked: [],
    heard: [],
    rechecks: [],
    signals: [],
    states: new Map<string, KeyState>(),
    keys: labels.map((label) => keyNamed(label)),
    answer: () => good(0.5, Date.now()),
  } as unknown as World;
  for (const [label, reason] of Object.entries(blocked)) {
    world.states.set(label, { ...newKeyState(), block: { until: null, reason } });
  }
  world.monitor = startHealthMonitor({
    keys: () => world.keys,
    stateOf: (label) => world.states.get(label),
    fetch: async (key, signal) => {
      world.asked.push(key.label);
      world.signals.push(signal);
      return world.answer(key);
    },
    refreshMs: 10 * MINUTE,
    recheckMs: 60 * MINUTE,
    recheckMax: 3,
    clock: Date.now,
    random: () => 0.5,
    onHealth: (key, health) => world.heard.push(`${key.label} ${health.error ?? 'ok'}`),
    onRecheck: (key, answered) => world.rechecks.push([key.label, answered]),
    ...options,
  });
  monitors.push(world.monitor);
  return world;
}

const elapse = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse('2026-11-20T08:00:00Z') });
});

afterEach(() => {
  for (const monitor of monitors.splice(0)) monitor.stop();
  vi.useRealTimers();
});

describe('normal passes', () => {
  it('go by what was read before, while it is fresh and until they have asked anew', async () => {
    const known = new Map([
      ['a', good(0.9, Date.now() - 19 * MINUTE)],
      ['b', good(0.8, Date.now() - 21 * MINUTE)],
      ['gone', good(0.7, Date.now())],
    ]);
    const world = start(['a', 'b'], { known });
    expect([...world.monitor.health].map(([label, { usage }]) => [label, usage?.remainingShare])).toEqual([['a', 0.9]]);
    await elapse(MINUTE);
    expect(world.asked).toEqual(['a', 'b']);
    expect(world.monitor.health.get('a')?.usage?.remainingShare).toBe(0.5);
  });

  it('ask every key at start and then every refresh interval', async () => {
    const world = start(['a', 'b']);
    await elapse(MINUTE);
    expect(world.asked).toEqual(['a', 'b']);
    expect([...world.monitor.health.keys()]).toEqual(['a', 'b']);
    expect(world.heard).toEqual(['a ok', 'b ok']);
    await elapse(10 * MINUTE);
    expect(world.asked).toEqual(['a', 'b', 'a', 'b']);
  });

  it('spread the first calls: few at a time, with pauses', async () => {
    const world = start(Array.from({ length: 9 }, (_, n) => `k${n}`));
    await elapse(0);
    expect(world.asked).toHaveLength(0);
    await elapse(125);
    expect(world.asked).toHaveLength(3);
    await elapse(125);
    expect(world.asked).toHaveLength(6);
    await elapse(125);
    expect(world.asked).toHaveLength(9);
  });

  it.each([
    [0, 9 * MINUTE],
    [1, 11 * MINUTE],
  ])('come a tenth of the interval early or late: random %d', async (random, dueMs) => {
    const world = start(['a'], { random: () => random });
    await elapse(dueMs - 1000);
    expect(world.asked).toHaveLength(1);
    await elapse(2000);
    expect(world.asked).toHaveLength(2);
  });

  it('never come when the interval is 0, but a key is still asked on demand', async () => {
    const world = start(['a'], { refreshMs: 0 });
    await elapse(24 * 60 * MINUTE);
    expect(world.asked).toHaveLength(0);
    const health = await world.monitor.refreshNow(world.keys[0] as Key);
    expect(health.usage?.remainingShare).toBe(0.5);
  });

  it('do not fire at once for an interval longer than a timer can hold', async () => {
    const world = start(['a'], { refreshMs: 2 ** 40 });
    await elapse(60 * MINUTE);
    expect(world.asked).toHaveLength(1);
  });

  it('leave out blocked and disabled keys but not those on cooldown', async () => {
    const world = start(['blocked', 'onCooldown', 'refused'], { blocked: { blocked: 'payment_required' } });
    world.keys.push(keyNamed('off', { disabled: true }));
    world.states.set('onCooldown', { ...newKeyState(), cooldown: { until: Date.now() + 60 * MINUTE, reason: 'quota' } });
    world.states.set('refused', { ...newKeyState(), errors401: 1 });
    await elapse(MINUTE);
    expect(world.asked).toEqual(['onCooldown']);
  });

  it('do not overlap: a second one joins the first', async () => {
    const world = start(['a']);
    let finish = (): void => {};
    world.answer = () => new Promise((resolve) => (finish = () => resolve(good(1, Date.now()))));
    await elapse(30 * MINUTE);
    const pass = world.monitor.refreshAll();
    expect(world.asked).toHaveLength(1);
    finish();
    await pass;
    expect(world.monitor.health.get('a')?.usage?.remainingShare).toBe(1);
  });
});

describe('failing calls', () => {
  it('keep the last good usage for two intervals and name the error', async () => {
    const world = start(['a']);
    await elapse(MINUTE);
    const answeredAt = world.monitor.health.get('a')?.fetchedAt;
    world.answer = () => bad('HTTP 500', Date.now());
    await elapse(10 * MINUTE);
    expect(world.monitor.health.get('a')).toMatchObject({
      usage: { remainingShare: 0.5 },
      error: 'HTTP 500',
      fetchedAt: answeredAt,
    });
    await elapse(20 * MINUTE);
    expect(world.monitor.health.get('a')).toMatchObject({ usage: null, error: 'HTTP 500' });
    world.answer = () => good(0.9, Date.now());
    await elapse(10 * MINUTE);
    expect(world.monitor.health.get('a')).toMatchObject({ usage: { remainingShare: 0.9 }, error: null });
  });

  it('are told to the owner as they are, without the old usage', async () => {
    const onHealth = vi.fn();
    const world = start(['a'], { onHealth });
    await elapse(MINUTE);
    world.answer = () => bad('HTTP 500', Date.now());
    await world.monitor.refreshNow(world.keys[0] as Key);
    expect(onHealth.mock.lastCall?.[1]).toMatchObject({ usage: null, error: 'HTTP 500' });
  });

  it('put a key aside for as long as Retry-After says, also on demand, and drop its usage when that is too long', async () => {
    const world = start(['a', 'b']);
    await elapse(MINUTE);
    world.answer = (key) =>
      key.label === 'a' ? { ...bad('HTTP 429', Date.now()), status: 429, retryAfterMs: 35 * MINUTE } : good(1, Date.now());
    await elapse(10 * MINUTE);
    world.asked.length = 0;
    await elapse(30 * MINUTE);
    expect(new Set(world.asked)).toEqual(new Set(['b']));
    expect((await world.monitor.refreshNow(world.keys[0] as Key)).error).toBe('HTTP 429');
    expect(world.asked).not.toContain('a');
    expect(world.monitor.health.get('a')?.usage).toBeNull();
    await elapse(10 * MINUTE);
    expect(world.asked).toContain('a');
  });

  it('do not put a key aside for ever when the clock is set back', async () => {
    const world = start(['a']);
    world.answer = () => ({ ...bad('HTTP 429', Date.now()), retryAfterMs: 60 * MINUTE });
    await elapse(MINUTE);
    vi.setSystemTime(Date.now() - 24 * 60 * MINUTE);
    await elapse(10 * MINUTE);
    expect(world.asked).toHaveLength(2);
  });

  it('that throw count as failures', async () => {
    const world = start(['a', 'b']);
    world.answer = (key) => {
      if (key.label === 'a') throw new Error(`no way with ${key.value}`);
      return good(1, Date.now());
    };
    await elapse(MINUTE);
    expect(world.heard.sort()).toEqual(['a no way with ***', 'b ok']);
  });
});

describe('on demand', () => {
  it('asks once for many who ask at the same time', async () => {
    const world = start(['a'], { refreshMs: 0 });
    const key = world.keys[0] as Key;
    const answers = await Promise.all([
      world.monitor.refreshNow(key),
      world.monitor.refreshNow(key),
      world.monitor.refreshNow(key),
    ]);
    expect(world.asked).toHaveLength(1);
    expect(new Set(answers).size).toBe(1);
    await world.monitor.refreshNow(key);
    expect(world.asked).toHaveLength(2);
  });

  it('does not wait for a pass over other keys', async () => {
    const world = start(['a', 'b', 'c', 'd'], { concurrency: 1 });
    world.answer = (key) => (key.label === 'a' ? new Promise(() => {}) : good(1, Date.now()));
    await elapse(MINUTE);
    expect(world.asked).toEqual(['a']);
    expect((await world.monitor.refreshNow(world.keys[3] as Key)).usage?.remainingShare).toBe(1);
  });

  it('asks for a blocked key too, and for one the registry does not have without keeping it', async () => {
    const world = start(['a'], { blocked: { a: 'auth' } });
    await world.monitor.refreshNow(world.keys[0] as Key);
    expect(world.monitor.health.has('a')).toBe(true);
    expect((await world.monitor.refreshNow(keyNamed('stranger'))).usage?.remainingShare).toBe(0.5);
    expect(world.monitor.health.has('stranger')).toBe(false);
    expect(world.heard).toEqual(['a ok']);
  });
});

describe('rechecks of blocked keys', () => {
  it('go through all but the banned, a few a pass, the longest unchecked first', async () => {
    const labels = ['a', 'b', 'banned', 'c', 'd'];
    const blocked = { a: 'auth', b: 'payment_required', banned: 'banned', c: 'auth', d: 'auth' };
    const world = start(labels, { refreshMs: 0, recheckMax: 3, blocked });
    world.answer = (key) => (key.label === 'b' ? good(1, Date.now()) : bad('HTTP 401', Date.now()));
    await elapse(61 * MINUTE);
    expect(world.rechecks).toEqual([
      ['a', false],
      ['b', true],
      ['c', false],
    ]);
    world.rechecks.length = 0;
    await elapse(60 * MINUTE);
    expect(world.rechecks.map(([label]) => label)).toEqual(['d', 'a', 'b']);
  });

  it('ask nothing of keys that are not blocked', async () => {
    const world = start(['a'], { refreshMs: 0 });
    await elapse(180 * MINUTE);
    expect(world.asked).toEqual([]);
  });

  it('never happen with an interval of 0', async () => {
    const world = start(['a'], { recheckMs: 0, blocked: { a: 'auth' } });
    await elapse(180 * MINUTE);
    expect(world.asked).toEqual([]);
  });

  it('obey Retry-After', async () => {
    const world = start(['a'], { refreshMs: 0, blocked: { a: 'auth' } });
    world.answer = () => ({ ...bad('HTTP 429', Date.now()), retryAfterMs: 90 * MINUTE });
    await elapse(61 * MINUTE);
    await elapse(60 * MINUTE);
    expect(world.asked).toHaveLength(1);
    await elapse(60 * MINUTE);
    expect(world.asked).toHaveLength(2);
  });
});

describe('a changed registry', () => {
  it('drops removed keys and asks for new ones at once', async () => {
    const world = start(['a', 'b']);
    await elapse(MINUTE);
    world.keys = [keyNamed('b'), keyNamed('c')];
    world.asked.length = 0;
    world.monitor.keysChanged();
    expect([...world.monitor.health.keys()]).toEqual(['b']);
    await elapse(1000);
    expect(world.asked).toEqual(['c']);
    expect([...world.monitor.health.keys()]).toEqual(['b', 'c']);
  });

  it('forgets what was known under a label whose key was replaced, and aborts its call', async () => {
    const world = start(['a']);
    const late: ((health: FetchedHealth) => void)[] = [];
    world.answer = () => new Promise((resolve) => late.push(resolve));
    await elapse(MINUTE);
    world.keys = [keyNamed('a', { value: 'sk-kimi-other-secret', hash: 'other' })];
    world.monitor.keysChanged();
    expect(world.signals[0]?.aborted).toBe(true);
    await elapse(1000);
    expect(world.asked).toEqual(['a', 'a']);
    late[1]?.(good(0.8, Date.now()));
    await elapse(0);
    late[0]?.(good(0.1, Date.now()));
    await elapse(0);
    expect(world.monitor.health.get('a')?.usage?.remainingShare).toBe(0.8);
    expect(world.heard).toEqual(['a ok']);
  });

  it('ignores the answer of a key that was removed meanwhile', async () => {
    const world = start(['a']);
    let finish = (_: FetchedHealth): void => {};
    world.answer = () => new Promise((resolve) => (finish = resolve));
    await elapse(MINUTE);
    world.keys = [];
    world.monitor.keysChanged();
    finish(good(1, Date.now()));
    await elapse(MINUTE);
    expect(world.monitor.health.size).toBe(0);
    expect(world.heard).toEqual([]);
  });

  it('asks anew for a key that was removed and came back while its call ran', async () => {
    const world = start(['a']);
    const [key] = world.keys;
    world.answer = () => new Promise(() => {});
    await elapse(MINUTE);
    world.keys = [];
    world.monitor.keysChanged();
    world.keys = [key as Key];
    world.answer = () => good(1, Date.now());
    world.monitor.keysChanged();
    expect((await world.monitor.refreshNow(key as Key)).usage?.remainingShare).toBe(1);
  });

  it('does not ask twice for a key that still waits for its turn', async () => {
    const world = start(['a', 'b', 'c', 'd', 'e']);
    world.monitor.keysChanged();
    await elapse(MINUTE);
    expect([...world.asked].sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });
});

it('keys that come during a long pass are asked soon, and no key is asked twice', async () => {
  const names = Array.from({ length: 300 }, (_, n) => `k${n}`);
  let seed = 1;
  // Pauses of different lengths, else all passes keep in step.
  const random = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  const world = start(names, { random });
  world.keys.push(keyNamed('off', { disabled: true }));
  for (let n = 0; n < 5; n++) {
    await elapse(300);
    world.keys = [
      ...world.keys.filter(({ label }) => label !== 'off'),
      keyNamed(`new${n}`),
      keyNamed('off', { disabled: n < 3 }),
    ];
    world.monitor.keysChanged();
  }
  await elapse(1500);
  expect(world.asked).toEqual(expect.arrayContaining(['new0', 'new1', 'new2', 'new3', 'new4', 'off']));
  expect(world.asked.length).toBeLessThan(200);
  await elapse(MINUTE);
  expect(world.asked).toHaveLength(306);
  expect(new Set(world.asked).size).toBe(306);
});

describe('stop', () => {
  it('aborts running calls, ends passes and timers, and tells nobody', async () => {
    const world = start(['a', 'b', 'c', 'd', 'e']);
    let finish = (_: FetchedHealth): void => {};
    world.answer = () => new Promise((resolve) => (finish = resolve));
    await elapse(1000);
    expect(world.asked).toHaveLength(3);
    world.monitor.stop();
    expect(world.signals.map((signal) => signal.aborted)).toEqual([true, true, true]);
    finish(good(1, Date.now()));
    expect(vi.getTimerCount()).toBe(0);
    await elapse(60 * MINUTE);
    expect(world.asked).toHaveLength(3);
    expect(world.heard).toEqual([]);
    await world.monitor.refreshAll();
    world.monitor.keysChanged();
    expect(world.asked).toHaveLength(3);
  });
});

it('keeps no process alive', async () => {
  vi.useRealTimers();
  const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  start(['a', 'b']);
  expect(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length).toBe(before);
});
