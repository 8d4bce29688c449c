import type { VerdictClass } from './verdict.ts';

/**
 * Whether an answer of a class means that the upstream, or the way there, fails. The others show that it works: it served, or
 * it had something against the request, the key or the account.
 */
export const FAILS: Readonly<Record<VerdictClass, boolean>> = {
  served: false,
  caller: false,
  'agents-only': false,
  'bad-key': false,
  'login-over': false,
  'no-model': false,
  unpaid: false,
  quota: false,
  rate: false,
  banned: false,
  foreign: true,
  edge: true,
  overloaded: true,
  broken: true,
  refused: true,
  'dead-end': true,
};

/** How a request failed: the status of the upstream's answer, or why there was none. */
export type Failure = number | 'unreachable' | 'silent' | 'broken-off';

/** The newest requests, all of which failed at the upstream. */
export type FailureRun = {
  readonly requests: number;
  /** Of the newest. */
  readonly failure: Failure;
  /** Host of the upstream that failed the newest. */
  readonly host: string;
  /** When the first of them ended; epoch ms. */
  readonly since: number;
};

const WORDS: Readonly<Record<Exclude<Failure, number>, (host: string) => string>> = {
  unreachable: (host) => `${host} could not be reached`,
  silent: (host) => `no answer from ${host}`,
  'broken-off': (host) => `answers from ${host} broke off`,
};

export const FAILURES_WITHOUT_STATUS = Object.keys(WORDS) as readonly Exclude<Failure, number>[];

/** "502 from api.kimi.com". */
export function failureWords({ failure, host }: { readonly failure: Failure; readonly host: string | null }): string {
  const named = host ?? 'the upstream';
  return typeof failure === 'number' ? `${failure} from ${named}` : WORDS[failure](named);
}
