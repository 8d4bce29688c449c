import type { KeyHealth } from '../core/quota/key-health.ts';

/** What to know of a key after a call: a failed one keeps the usage of before while that is at most `keepMs` old. */
export function mergeHealth(before: KeyHealth | undefined, fetched: KeyHealth, keepMs: number): KeyHealth {
  const { usage, error, fetchedAt, askedAt } = fetched;
  const fresh = askedAt === undefined ? { usage, error, fetchedAt } : { usage, error, fetchedAt, askedAt };
  if (usage !== null || before === undefined || before.usage === null) return fresh;
  return isStale(before, fetchedAt, keepMs) ? fresh : { ...before, error };
}

/** Usage older than `keepMs`; one from the future is from before a clock jump, and as little worth. */
export function isStale(health: KeyHealth, now: number, keepMs: number): boolean {
  return health.usage !== null && Math.abs(now - health.fetchedAt) > keepMs;
}
