import type { Candidate } from './eligibility.ts';

/** What is known of a key's account. */
export type AccountedKey = {
  readonly label: string;
  /** null: not known. */
  readonly account: string | null;
  readonly disabled: boolean;
};

export type KeyAccounts = {
  readonly keys: number;
  /** A key whose account is not known counts as one account, so with `unknown` keys this is the most there can be. */
  readonly accounts: number;
  readonly unknown: number;
  /** Accounts with several keys that are enabled: the further ones add nothing. */
  readonly shared: readonly SharedAccount[];
};

export type SharedAccount = { readonly account: string; readonly labels: readonly string[] };

/** How many accounts the keys belong to, and which of them share one. */
export function countAccounts(keys: readonly AccountedKey[]): KeyAccounts {
  const groups = groupByAccount(keys);
  const unknown = keys.filter(({ account }) => account === null).length;
  const shared = [...groupByAccount(keys.filter(({ disabled }) => !disabled))]
    .filter(([, labels]) => labels.length > 1)
    .map(([account, labels]): SharedAccount => ({ account, labels }));
  return { keys: keys.length, accounts: groups.size + unknown, unknown, shared };
}

/** For each key of an account with several, the labels of the others, disabled or not. */
export function siblingsByLabel(keys: readonly AccountedKey[]): ReadonlyMap<string, readonly string[]> {
  const siblings = new Map<string, readonly string[]>();
  for (const labels of groupByAccount(keys).values()) {
    if (labels.length < 2) continue;
    for (const label of labels) {
      siblings.set(
        label,
        labels.filter((other) => other !== label),
      );
    }
  }
  return siblings;
}

function groupByAccount(keys: readonly AccountedKey[]): ReadonlyMap<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const { label, account } of keys) {
    if (account === null) continue;
    const group = groups.get(account);
    if (group === undefined) groups.set(account, [label]);
    else group.push(label);
  }
  return groups;
}

export function accountedKeys(candidates: readonly Pick<Candidate, 'key' | 'state'>[]): readonly AccountedKey[] {
  return candidates.map(({ key: { label, disabled }, state }) => ({ label, account: state.account?.id ?? null, disabled }));
}
