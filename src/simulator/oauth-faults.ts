import type { OAuthStep } from './oauth-record.ts';
import type { PlanOptions } from './plan.ts';

/** An answer of your own. Default body: a JSON object with a message and no `error`. */
export type StatusFault = {
  readonly status: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

/**
 * `refuse`: the connection is reset before anything is decided; `hang`: nothing is decided and no answer comes. The other
 * two strike grants only: the server has issued the new pair, and the answer is lost.
 */
type BrokenConnection = 'refuse' | 'hang' | 'reset_after_grant' | 'hang_after_grant';

export type OAuthFault = StatusFault | BrokenConnection;

export type OAuthFaultOptions = PlanOptions & {
  /** Steps it strikes; default all. */
  on?: readonly OAuthStep[];
};
