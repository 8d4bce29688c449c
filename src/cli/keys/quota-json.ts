import type { Usage } from '../../core/quota/quota.ts';
import { renderTime } from '../../state/schema.ts';

/** The quota windows of a key, as every command's JSON has them. */
export function windowsToJson(usage: Usage | null) {
  return (usage?.windows ?? []).map((window) => ({
    label: window.label,
    remaining_percent: percent(window.remainingShare),
    used: window.used,
    limit: window.limit,
    resets_at: renderTime(window.resetsAt),
    reset_hint: window.resetHint,
  }));
}

/** 0 to 100 with at most two decimals. */
export function percent(share: number | null): number | null {
  return share === null ? null : Math.round(share * 10_000) / 100;
}
