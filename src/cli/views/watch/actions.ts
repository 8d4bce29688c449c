import type { Config } from '../../../config/settings.ts';
import { type Candidate, eligibilityOf } from '../../../core/choosing/eligibility.ts';
import type { Clock } from '../../../core/text/time.ts';
import { Ledger } from '../../../state/state-ledger.ts';
import { StateStore, statePath } from '../../../state/store.ts';
import { saveState } from '../../command/save-state.ts';
import { outInWords } from '../../words/key-words.ts';

export type ActionParts = {
  readonly config: Config;
  readonly clock: Clock;
  readonly candidates: readonly Candidate[];
  /** The strategy in force; null: manual. */
  readonly rotation: string | null;
};

/**
 * Ends the key's cooldown or unblocks it, as `kmi doctor --clear-blocklist` does for all keys, and says what came of it. The running
 * proxy follows within a second. Throws `state_unusable`.
 */
export async function freeKey(label: string, parts: ActionParts): Promise<string> {
  const candidate = find(label, parts);
  if (candidate === null) return `${label} is gone.`;
  if (candidate.key.disabled) return `${label} is disabled; \`kmi keys enable ${label}\` enables it.`;
  return changeState(parts, (ledger) => {
    const now = parts.clock();
    const state = ledger.keyState(label);
    const before = eligibilityOf({ ...candidate, state: { ...state } }, now);
    if (before.is === 'ready') return `${label} can serve already.`;
    if (before.reason === 'empty') return `${label} has nothing left by its last reading; \`kmi health\` asks again.`;
    if (state.block !== null || state.errors401 > 0) ledger.clearBlock(label);
    if (state.cooldown !== null) ledger.clearCooldown(label);
    return `${label} is free: it is tried with the next request it is chosen for.`;
  });
}

/** Makes the key the active one, and says what that means. Throws `state_unusable`. */
export async function useNext(label: string, parts: ActionParts): Promise<string> {
  const { candidates, config, rotation } = parts;
  const index = candidates.findIndex(({ key }) => key.label === label);
  if (index === -1) return `${label} is gone.`;
  return changeState(parts, (ledger) => {
    ledger.setActive(label, index);
    if (rotation !== null)
      return `${label} is the active key, which counts after \`kmi rotate off\`: auto-rotation (${rotation}) is on.`;
    const candidate = { ...(candidates[index] as Candidate), state: ledger.keyState(label) };
    const out = outInWords(candidate, parts.clock(), config.timezone);
    return out === null ? `${label} serves the next request.` : `${label} is the active key, but cannot serve yet: ${out}.`;
  });
}

function find(label: string, { candidates }: ActionParts): Candidate | null {
  return candidates.find(({ key }) => key.label === label) ?? null;
}

/** Of the file as it is now, under its lock. */
async function changeState({ config, clock }: ActionParts, change: (ledger: Ledger) => string): Promise<string> {
  const log = { warn: () => undefined };
  const store = await StateStore.open({ path: statePath(config.stateDir), clock, log });
  try {
    const said = change(new Ledger(store));
    await saveState({ store, config });
    return said;
  } finally {
    await store.close();
  }
}
