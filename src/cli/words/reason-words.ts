import type { AccountSkipReason } from '../../core/choosing/account-pool.ts';
import type { UnreadyReason } from '../../core/keys/key-status.ts';

/** Why a key did not serve, in the words of every view of the command line. What a client is told stands in `core/choosing/no-key.ts`. */
type ReasonWords<Reason> = {
  /** Completes "skipped: ...". */
  readonly skipped: string;
  /** Beside a key, as its state now; a reason that lasts for one request only has none. */
  readonly short: Reason extends UnreadyReason ? string : null;
};

export const REASON_WORDS: { readonly [Reason in AccountSkipReason]: ReasonWords<Reason> } = {
  disabled: { short: 'disabled', skipped: 'it is disabled' },
  login_expired: { short: 'login expired', skipped: 'its login has expired; `kmi status` says how to renew it' },
  auth: { short: 'key refused (401)', skipped: 'it is blocked: the upstream refused the key (401)' },
  payment_required: { short: 'account unpaid', skipped: 'it is blocked: the account must be paid for' },
  banned: { short: 'account closed by Kimi', skipped: 'it is blocked: Kimi has closed the account' },
  blocked: { short: 'blocked', skipped: 'it is blocked' },
  quota: { short: 'quota used up', skipped: 'it is on cooldown until its used-up quota returns' },
  rate: { short: 'rate limited', skipped: 'it is on cooldown after too many requests' },
  upstream: { short: 'failed while others worked', skipped: 'it is on cooldown: it failed while another key worked' },
  empty: { short: 'no quota left', skipped: 'its last quota reading says that nothing is left' },
  probing: {
    short: 'being tried after its cooldown',
    skipped: 'its cooldown was over, and another request was finding out whether it can serve again',
  },
  no_usage: { short: null, skipped: 'its quota is not known, and only keys with a known one can serve' },
  key_rate_limit: { short: null, skipped: 'it was at its own rate limit (KMI_PROXY_MAX_*_PER_KEY)' },
  tried: { short: null, skipped: 'this request had tried it already' },
  busy: { short: null, skipped: 'its account had as many requests at a time as it takes' },
  wallet: { short: null, skipped: 'its account has only its wallet left, and another still had plan quota' },
};

/** Completes "skipped: ...". The reason is read from a file, which another version may have written; an unknown one is null. */
export function skippedWords(reason: string): string | null {
  return Object.hasOwn(REASON_WORDS, reason) ? REASON_WORDS[reason as AccountSkipReason].skipped : null;
}
