import pLimit from 'p-limit';
import { fetchAccountId } from '../../../accounts/fetch-account.ts';
import { type App, fetchHealth } from '../../../app.ts';
import { isLoginOver, type Key } from '../../../core/keys/key.ts';
import { activeBlock, activeCooldown } from '../../../core/keys/key-state.ts';
import type { RecheckFact } from '../../../doctor/checks-recheck.ts';
import type { Get } from '../../../doctor/reach.ts';
import { canRecheck } from '../../../health/recheck.ts';
import { startProgress } from '../../ui/progress.ts';
import { counted } from '../../words/key-words.ts';

export type Recheck = {
  readonly rechecked: ReadonlyMap<string, RecheckFact>;
  readonly accounts: ReadonlyMap<string, string>;
  /** Labels of keys that were blocked and answered. */
  readonly unblocked: readonly string[];
  /** Labels of keys whose `quota` cooldown ended, for they have quota again; none of them was blocked. */
  readonly offCooldown: readonly string[];
};

/**
 * Asks `/usages` and `/me` of every key that is not disabled, in dry-run too. Unblocks those that answer, and ends the cooldown of
 * those that have their quota again.
 */
export async function recheckKeys(app: App, get: Get): Promise<Recheck> {
  const keys = app.registry.keys.filter(({ disabled }) => !disabled);
  const progress = startProgress(process.stderr, (done) => `Asked ${done} of ${counted(keys.length, 'key')}...`);
  const accounts = new Map<string, string>();
  const isUsedUp = ({ label }: Key) => activeCooldown(app.store.keyState(label), app.clock())?.reason === 'quota';
  const usedUp = keys.filter(isUsedUp);
  try {
    const [health] = await Promise.all([
      fetchHealth(app, { keys, live: true, onResult: progress.step }),
      pLimit(3).map(keys, async (key) => {
        if (isLoginOver(key, app.clock())) return;
        const id = await fetchAccountId(key, get);
        if (id !== null) accounts.set(key.label, id);
      }),
    ]);
    const rechecked = new Map(
      keys.map(({ label }): [string, RecheckFact] => {
        const answer = health.get(label);
        const error = answer === undefined ? 'it was not asked' : answer.error;
        return [
          label,
          error === null ? { is: 'answers', remainingShare: answer?.usage?.remainingShare ?? null } : { is: 'fails', error },
        ];
      }),
    );
    const blocked = keys.filter(
      (key) => rechecked.get(key.label)?.is === 'answers' && canRecheck(key, app.store.keyState(key.label), app.clock()),
    );
    for (const { label } of blocked) app.ledger.clearBlock(label);
    const renewed = usedUp.filter((key) => !isUsedUp(key) && !blocked.includes(key));
    const labelsOf = (some: readonly Key[]) => some.map(({ label }) => label);
    return { rechecked, accounts, unblocked: labelsOf(blocked), offCooldown: labelsOf(renewed) };
  } finally {
    progress.end();
  }
}

/** Unblocks every key, banned ones and those whose auth file is gone included, and answers their labels. */
export function clearBlocks({ store, ledger, clock }: Pick<App, 'store' | 'ledger' | 'clock'>): readonly string[] {
  const now = clock();
  const blocked = [...store.state.keys].filter(([, state]) => state.block !== null || activeBlock(state, now) !== null);
  const labels = blocked.map(([label]) => label);
  for (const label of labels) ledger.clearBlock(label);
  return labels;
}
