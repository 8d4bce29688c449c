import { type App, candidatesOf, fetchHealth } from '../../app.ts';
import { type Candidate, keyStatusOf } from '../../core/choosing/eligibility.ts';
import type { Key } from '../../core/keys/key.ts';
import { activeBlock, activeCooldown } from '../../core/keys/key-state.ts';
import type { KeyHealth } from '../../core/quota/key-health.ts';
import { renderTime } from '../../state/schema.ts';
import { startProgress } from '../ui/progress.ts';
import { counted } from '../words/key-words.ts';
import { percent, windowsToJson } from './quota-json.ts';

/** Asks `/usages` of the keys, with a line of progress on a terminal when it takes long. */
export async function fetchHealthShown(app: App, keys: readonly Key[]): Promise<ReadonlyMap<string, KeyHealth>> {
  const progress = startProgress(process.stderr, (done) => `Asked ${done} of ${counted(keys.length, 'key')} for their quota...`);
  try {
    return await fetchHealth(app, { keys, onResult: progress.step });
  } finally {
    progress.end();
  }
}

/** The registry's keys with fresh health; the state remembers when, unless it was simulated or no key got an answer. */
export async function candidatesWithHealth(app: App): Promise<readonly Candidate[]> {
  const health = await fetchHealthShown(app, app.registry.keys);
  if (!app.config.dryRun && [...health.values()].some(({ error }) => error === null)) app.ledger.healthRefreshed(app.clock());
  return candidatesOf(app, health);
}

/** One key of `kmi health --json`. Times are UTC as in the state file; no secret. */
export function keyToJson(candidate: Candidate, { now, isActive }: { now: number; isActive: boolean }) {
  const { key, state, health } = candidate;
  const usage = health?.usage ?? null;
  const block = activeBlock(state, now);
  const cooldown = activeCooldown(state, now);
  return {
    label: key.label,
    key_hash: key.hash,
    email: key.email,
    source: key.source,
    disabled: key.disabled,
    active: isActive,
    status: keyStatusOf(candidate, now),
    remaining_percent: percent(usage?.remainingShare ?? null),
    plan: usage?.plan ?? null,
    windows: windowsToJson(usage),
    wallet: usage?.walletCents == null ? null : { cents: usage.walletCents },
    cooldown: cooldown === null ? null : { until: renderTime(cooldown.until), reason: cooldown.reason },
    block: block === null ? null : { until: renderTime(block.until), reason: block.reason },
    counters: {
      requests: state.requests,
      error_401: state.errors401,
      error_403: state.errors403,
      error_429: state.errors429,
      error_5xx: state.errors5xx,
      last_used: renderTime(state.lastUsed),
    },
    error: health?.error ?? null,
  };
}
