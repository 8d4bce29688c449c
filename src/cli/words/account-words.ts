import type { KeyAccounts, SharedAccount } from '../../core/choosing/key-accounts.ts';
import { counted } from './key-words.ts';

/** "3 keys, 2 accounts"; with keys not asked yet "3 keys, at most 2 accounts"; the keys alone when nothing is known. */
export function accountsText(accounts: KeyAccounts, held = counted(accounts.keys, 'key')): string {
  const { keys, accounts: count, unknown } = accounts;
  if (keys < 2 || unknown === keys) return held;
  return `${held}, ${unknown > 0 && count > 1 ? 'at most ' : ''}${counted(count, 'account')}`;
}

/** Only where some accounts are known and others are not: else there is nothing to be wrong about. */
export function unknownAccountsText({ keys, unknown }: KeyAccounts): string | null {
  if (unknown === 0 || unknown === keys) return null;
  return `The account of ${counted(unknown, 'key')} is not known yet; a running live proxy asks for it.`;
}

const LABELS_MAX = 5;

export function sharedText({ labels }: Pick<SharedAccount, 'labels'>): string {
  return `Keys of one account: ${listLabels(labels)}. A second key of an account adds nothing: quota, limits and cache are the account's.`;
}

export const SHARED_FIX = 'One of them is enough; disable the others with `kmi keys disable`.';

/** "a, b"; of many the first ones and how many more there are. */
export function listLabels(labels: readonly string[]): string {
  const shown = labels.slice(0, LABELS_MAX).join(', ');
  return labels.length > LABELS_MAX ? `${shown} and ${labels.length - LABELS_MAX} more` : shown;
}

/** The plan of an account as a person calls it: "intermediate" of "LEVEL_INTERMEDIATE"; empty when it is not known. */
export function planText(plan: string | null): string {
  return (plan ?? '').replace(/^LEVEL_/, '').toLowerCase();
}
