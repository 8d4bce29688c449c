import { expect, it, vi } from 'vitest';
import type { Key } from '../../src/core/keys/key.ts';
import type { Renewal } from '../../src/logins/logins.ts';
import { startLoginKeeper } from '../../src/serving/login-keeper.ts';
import { cleanUp } from '../support/cleanup.ts';

function keyOf(value: string, expiresAt: number): Key {
  const login = { id: '0a1b2c3d', kind: 'own', expiresAt, lifeMs: 900_000, isOver: false } as const;
  const rest = { priority: 0, weight: 100, disabled: false, email: null, source: '/logins/0a1b2c3d.json' };
  return { label: 'a', value, hash: 'h', baseUrl: 'https://api.test/v1', ...rest, login };
}

function start(key: Key, renew: () => Promise<Renewal>) {
  let keys: readonly Key[] = [key];
  const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  const keeper = startLoginKeeper({
    keys: () => keys,
    renew,
    onKey: (changed) => {
      keys = [changed];
    },
    clock: Date.now,
    random: () => 0.5,
    log,
  });
  cleanUp(async () => keeper.stop());
  return {
    keeper,
    log,
    rename: (label: string) => {
      keys = keys.map((one) => ({ ...one, label }));
    },
  };
}

const tokens = { accessToken: 'new', refreshToken: 'r', expiresAt: null, expiresIn: null, scope: '', tokenType: '' };

it('survives what the renewal needs being gone from the disk', async () => {
  const key = keyOf('old', Date.now() - 1);
  const { keeper, log } = start(key, () => Promise.reject(new Error('Cannot find module')));
  expect(await keeper.renew(key, 'old')).toBe('failed');
  await expect.poll(() => log.warn.mock.calls.length).toBeGreaterThan(0);
});

it('a key that is renamed while a request waits has the new token, under both labels', async () => {
  const key = keyOf('old', Date.now() + 900_000);
  let answer: (renewal: Renewal) => void = () => undefined;
  const { keeper, rename } = start(key, () => new Promise((resolve) => (answer = resolve)));
  const waiting = keeper.renew(key, 'old');
  rename('b');
  answer({ kind: 'renewed', tokens });
  expect(await waiting).toBe('renewed');
  expect(keeper.current(key)).toMatchObject({ label: 'b', value: 'new' });
});

it('a stopped keeper still gives requests that drain their token', async () => {
  const key = keyOf('old', Date.now() + 900_000);
  const { keeper } = start(key, async () => ({ kind: 'renewed', tokens }));
  keeper.stop();
  expect(await keeper.renew(key, 'old')).toBe('renewed');
});
