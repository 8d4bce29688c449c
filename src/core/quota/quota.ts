/** One quota window of an account (5 hours, a week, a month), the most used of all readings the upstream gives for it. */
export type QuotaWindow = {
  /** What people call it: "5h limit", "7d limit", or the upstream's own name. */
  readonly label: string;
  /** Share left, 0 to 1; null when the upstream does not say (a limit of 0 says nothing). */
  readonly remainingShare: number | null;
  readonly used: number | null;
  readonly limit: number | null;
  /** Epoch ms. */
  readonly resetsAt: number | null;
  /** The upstream's words when they are no time ("tomorrow"), else null. */
  readonly resetHint: string | null;
  readonly durationMs: number | null;
};

/** What `GET /usages` says of an account. */
export type Usage = {
  readonly windows: readonly QuotaWindow[];
  /** Share left in the tightest known window, 0 to 1; null when no window is known. */
  readonly remainingShare: number | null;
  /** Money left beside the plan, in cents of its currency; null when there is no wallet. */
  readonly walletCents: number | null;
  /** Requests the account may have in flight; null when not stated. */
  readonly parallelLimit: number | null;
  /** Membership level or subscription type, as the upstream names it. */
  readonly plan: string | null;
};
