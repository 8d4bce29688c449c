import type { Candidate } from '../../core/choosing/eligibility.ts';
import { accountedKeys, countAccounts } from '../../core/choosing/key-accounts.ts';

/** The accounts behind the keys, as every command's JSON has them. `total` counts each key of an unknown account as one. */
export function accountsToJson(candidates: readonly Candidate[]) {
  const { accounts, unknown, shared } = countAccounts(accountedKeys(candidates));
  return {
    total: accounts,
    unknown_keys: unknown,
    shared: shared.map(({ account, labels }) => ({ account, keys: labels })),
  };
}
