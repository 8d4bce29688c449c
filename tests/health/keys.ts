import type { Key } from '../../src/core/keys/key.ts';
import type { KeyHealth } from '../../src/core/quota/key-health.ts';
import type { Usage } from '../../src/core/quota/quota.ts';

export function keyNamed(label: string, changes: Partial<Key> = {}): Key {
  return {
    label,
    value: `sk-kimi-secret-of-${label}`,
    hash: `hash-of-${label}`,
    baseUrl: 'http://127.0.0.1:9/coding/v1',
    priority: 0,
    weight: 100,
    disabled: false,
    email: null,
    source: `${label}.env`,
    ...changes,
  };
}

function usageOf(remainingShare: number): Usage {
  return { windows: [], remainingShare, walletCents: null, parallelLimit: null, plan: null };
}

export function good(remainingShare: number, fetchedAt: number): KeyHealth {
  return { usage: usageOf(remainingShare), error: null, fetchedAt };
}

export function bad(error: string, fetchedAt: number): KeyHealth {
  return { usage: null, error, fetchedAt };
}
