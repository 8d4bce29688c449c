import type { Candidate } from '../../src/core/choosing/eligibility.ts';
import type { Key, KeyLogin } from '../../src/core/keys/key.ts';
import { type KeyState, newKeyState } from '../../src/core/keys/key-state.ts';
import type { KeyHealth } from '../../src/core/quota/key-health.ts';
import type { Usage } from '../../src/core/quota/quota.ts';

export const NOW = Date.UTC(2026, 10, 20, 12);

export type CandidateOptions = {
  readonly state?: Partial<KeyState>;
  /** Share left; null: asked without an answer; absent: never asked. */
  readonly share?: number | null;
  readonly walletCents?: number | null;
  readonly disabled?: boolean;
  /** Makes it a login, which is over unless `isOver` says otherwise. */
  readonly login?: Partial<KeyLogin>;
};

function aKey(label: string, { disabled = false, login }: CandidateOptions): Key {
  return {
    label,
    value: `sk-${label}`,
    hash: label.padEnd(12, '0'),
    baseUrl: 'https://up.test/v1',
    priority: 0,
    weight: 100,
    disabled,
    email: null,
    source: 'x',
    ...(login === undefined ? {} : { login: { id: label, kind: 'own', expiresAt: null, lifeMs: null, isOver: true, ...login } }),
  };
}

export function aUsage(remainingShare: number | null, walletCents: number | null = null): Usage {
  return { windows: [], remainingShare, walletCents, parallelLimit: null, plan: null };
}

export function aCandidate(label: string, options: CandidateOptions = {}): Candidate {
  return {
    key: aKey(label, options),
    state: { ...newKeyState(), ...options.state },
    health: healthOf(options),
  };
}

function healthOf({ share, walletCents }: CandidateOptions): KeyHealth | null {
  if (share === undefined) return null;
  if (share === null) return { usage: null, error: 'timeout', fetchedAt: NOW };
  return { usage: aUsage(share, walletCents), error: null, fetchedAt: NOW };
}
