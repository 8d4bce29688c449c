import { countAccounts } from '../core/choosing/key-accounts.ts';
import type { KeyStatus } from '../core/keys/key-status.ts';
import { answersOf, type Finding, shorten } from './finding.ts';

export type KeyFact = {
  readonly label: string;
  readonly email: string | null;
  readonly status: KeyStatus;
  /** For what reason it cannot serve now, and until when; null when it can. */
  readonly why: string | null;
  /** Blocked, and no recheck unblocks it: its account is closed. */
  readonly isClosed: boolean;
  /** It is the access token of a login. */
  readonly isLogin: boolean;
  /** It is a login that has expired; `checks-logins` says more. */
  readonly isExpired: boolean;
  /** A block or cooldown that has run out and still stands in the state file. */
  readonly hasExpired: boolean;
};

export type KeyFacts = {
  readonly folder: string;
  readonly folderExists: boolean;
  readonly keys: readonly KeyFact[];
  /** `file` is shown as it is. */
  readonly skipped: readonly { readonly file: string; readonly detail: string }[];
  /** Account by label, of the keys whose `/me` has ever answered. */
  readonly accounts: ReadonlyMap<string, string>;
};

export function checkKeys(facts: KeyFacts): readonly Finding[] {
  return [
    checkCount(facts),
    ...checkSkipped(facts),
    ...(facts.keys.length === 0 ? [] : [checkReady(facts), ...checkExpired(facts)]),
    ...checkSameAccount(facts),
  ];
}

function checkCount(facts: KeyFacts): Finding {
  const { folder, folderExists, keys } = facts;
  const { ok, fail } = answersOf('Keys', 'auth_keys');
  const fix = 'Run `kmi login`, `kmi keys add`, or `kmi init`.';
  const logins = keys.filter(({ isLogin }) => isLogin).length;
  // Who only logs in needs no such folder.
  if (!folderExists && logins === 0)
    return fail(`The auths folder ${folder} does not exist.`, 'Make it, or correct KMI_AUTHS_DIR; or log in with `kmi login`.');
  if (keys.length === 0) return fail(`There are no keys in ${folder}, and no logins.`, fix);
  if (logins === 0) return ok(`${counted(keys.length, 'key')}${accountsText(facts)} in ${folder}.`);
  const inFolder = keys.length === logins ? '' : `${counted(keys.length - logins, 'key')} in ${folder} and `;
  return ok(`${inFolder}${counted(logins, 'login')}${accountsText(facts)}.`);
}

/** ", 2 accounts"; nothing as long as no account is known, and of a single key. */
function accountsText(facts: KeyFacts): string {
  const { keys, accounts, unknown } = countAccounts(accountedKeys(facts));
  if (keys < 2 || unknown === keys) return '';
  return `, ${unknown > 0 && accounts > 1 ? 'at most ' : ''}${counted(accounts, 'account')}`;
}

function accountedKeys({ keys, accounts }: KeyFacts) {
  return keys.map(({ label, status }) => ({
    label,
    account: accounts.get(label) ?? null,
    disabled: status === 'disabled',
  }));
}

function checkSkipped({ skipped }: KeyFacts): readonly Finding[] {
  if (skipped.length === 0) return [];
  const { warn } = answersOf('Keys', 'auth_files_skipped');
  const lines = skipped.map(({ file, detail }) => `${file}: ${detail}`);
  return [warn(`${counted(skipped.length, 'auth file')} skipped:`, 'Correct or remove the files.', shorten(lines))];
}

function checkReady({ keys }: KeyFacts): Finding {
  const { ok, info, warn, fail } = answersOf('Keys', 'key_states');
  const out = keys.filter(({ why }) => why !== null);
  if (out.length === 0) return ok(keys.length === 1 ? 'The key can serve.' : 'All keys can serve.');
  const details = shorten(out.map(({ label, why }) => `${label}: ${why}`));
  const blocked = out.filter(({ status }) => status === 'blocked');
  const refused = blocked.filter(({ isExpired }) => !isExpired);
  const expired = blocked.some(({ isExpired }) => isExpired) ? ['Log in again; how stands under Logins.'] : [];
  const fixes = [...(refused.length === 0 ? [] : [unblockingText(refused)]), ...expired];
  const fix = blocked.length === 0 ? NOTHING_TO_DO : fixes.join(' ');
  if (out.length === keys.length) return fail('No key can serve now:', fix, details);
  const some = `${out.length} of ${counted(keys.length, 'key')} cannot serve now:`;
  return blocked.length > 0 ? warn(some, fix, details) : info(some, null, details);
}

const NOTHING_TO_DO = 'Nothing, if you intended it: a cooldown ends by itself, a disabled key stays disabled.';

function unblockingText(blocked: readonly KeyFact[]): string {
  const closed = blocked.filter(({ isClosed }) => isClosed).length;
  const recheck = '`kmi doctor --recheck-keys` asks the upstream again and unblocks those that answer';
  if (closed === 0) return `${recheck}.`;
  const support =
    'Write to Kimi support about a closed account. Once it is open again, `kmi doctor --clear-blocklist` unblocks its keys';
  return closed === blocked.length ? `${support}.` : `${recheck}, but none of a closed account. ${support}.`;
}

function checkExpired({ keys }: KeyFacts): readonly Finding[] {
  const labels = keys.filter(({ hasExpired }) => hasExpired).map(({ label }) => label);
  if (labels.length === 0) return [];
  const { info } = answersOf('Keys', 'expired_blocks');
  return [info(`Expired blocks or cooldowns: ${shorten(labels).join(', ')}.`, '`kmi doctor --fix` removes them.')];
}

/**
 * Keys of one account share its quota (docs/kimi-api.md#accounts). `user_id` proves it; an email in the auth files only
 * suggests it.
 */
function checkSameAccount(facts: KeyFacts): readonly Finding[] {
  const { keys, accounts } = facts;
  const { warn } = answersOf('Keys', 'same_account');
  const { shared } = countAccounts(accountedKeys(facts));
  const enabled = keys.filter(({ status }) => status !== 'disabled');
  const suggested = groupsOf(enabled, ({ label, email }) => (accounts.has(label) ? null : (email?.toLowerCase() ?? null)));
  const fix = 'They share one quota, limits and cache, so a second one adds nothing: disable it with `kmi keys disable`.';
  return [
    ...shared.map(({ labels }) => warn(`${shorten(labels).join(', ')} belong to one account.`, fix)),
    ...suggested.map((labels) =>
      warn(
        `${shorten(labels).join(', ')} have the same email, so they are probably of one account.`,
        `${fix} \`--recheck-keys\` tells for sure.`,
      ),
    ),
  ];
}

function groupsOf(keys: readonly KeyFact[], nameOf: (key: KeyFact) => string | null): string[][] {
  const groups = new Map<string, string[]>();
  for (const key of keys) {
    const name = nameOf(key);
    if (name === null) continue;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [key.label]);
    else group.push(key.label);
  }
  return [...groups.values()].filter((labels) => labels.length > 1);
}

/** "1 key", "3 keys". */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
