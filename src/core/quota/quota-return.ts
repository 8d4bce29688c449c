import type { Key } from '../keys/key.ts';
import type { KeyState } from '../keys/key-state.ts';
import { hasQuota, type KeyHealth } from './key-health.ts';

/**
 * The keys of which readings that a person asked for prove that their account has quota, and when it was asked. `asked`: the
 * keys of the readings, which may have other labels than in the registry; quota is the account's, so one reading counts for all
 * its keys.
 */
export function quotaProven(
  readings: ReadonlyMap<string, KeyHealth>,
  asked: readonly Key[],
  registry: readonly Key[],
  states: { keyState(label: string): KeyState },
): readonly { readonly label: string; readonly at: number }[] {
  const accountOf = ({ label, hash }: Key): string => states.keyState(label).account?.id ?? hash;
  const known = new Map(registry.map((key) => [key.hash, key]));
  const byAccount = new Map<string, KeyHealth>();
  for (const { label, hash } of asked) {
    const key = known.get(hash);
    const reading = readings.get(label);
    if (key !== undefined && reading?.error === null) byAccount.set(accountOf(key), reading);
  }
  if (byAccount.size === 0) return [];
  return registry.flatMap((key) => {
    const reading = byAccount.get(accountOf(key));
    if (reading === undefined || !provesQuota(states.keyState(key.label), reading)) return [];
    return [{ label: key.label, at: reading.askedAt ?? reading.fetchedAt }];
  });
}

/**
 * Not when the reading says that nothing was used at all and readings contradicted the refusal before: those of some plans
 * stand at 0 for ever, and a fresh refusal is right against them.
 */
function provesQuota({ cooldown }: KeyState, { usage }: KeyHealth): boolean {
  if (!hasQuota(usage)) return false;
  const share = usage?.remainingShare ?? null;
  return cooldown?.end !== 'doubted' || (share !== null && share > 0 && share < 1);
}
