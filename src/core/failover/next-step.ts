import { backoffMs } from '../verdicts/retry.ts';
import { CONSEQUENCES, type VerdictClass } from '../verdicts/verdict.ts';

/** What a request has behind it. A request that is served at once never leaves `FRESH`. */
export type FailoverState = {
  /** Keys that failed without being put away for it: used-up and refused ones are not among them. */
  readonly innocentKeys: number;
  /** Keys that turned out to be used up or refused. */
  readonly spentKeys: number;
  /** Times the same key was asked again because the server was overloaded. */
  readonly overloads: number;
  /** Rounds begun anew because every key had failed with a network error or 5xx. */
  readonly rounds: number;
  readonly hasTriedFreshSocket: boolean;
  /** An answer of the upstream was kept: it is what the client gets when nobody does better. */
  readonly hasAnswer: boolean;
  /** What the last key failed with. */
  readonly lastVerdict: VerdictClass | null;
  /** Waiting cannot help: a wrong login at the outgoing proxy, a request that goes round in a circle. */
  readonly isLasting: boolean;
  /** Who is asked when the pause is over. */
  readonly afterPause: 'same-key' | 'any-key' | null;
};

export const FRESH: FailoverState = Object.freeze({
  innocentKeys: 0,
  spentKeys: 0,
  overloads: 0,
  rounds: 0,
  hasTriedFreshSocket: false,
  hasAnswer: false,
  lastVerdict: null,
  isLasting: false,
  afterPause: null,
});

/** What happened since the last step. */
export type Outcome =
  /** An answer whose head had gone to the client is over. */
  | { readonly kind: 'served'; readonly isWhole: boolean }
  /** An answer of 400 or more, read and judged. */
  | { readonly kind: 'answered'; readonly verdict: VerdictClass; readonly isLasting: boolean }
  /** No answer came. `isSocketDeath`: the connection was cut, which an idle one may have been for a while. */
  | { readonly kind: 'failed'; readonly isSocketDeath: boolean; readonly isLasting: boolean }
  /** The request itself broke a rule on its way up, such as a body beyond the limit. */
  | { readonly kind: 'own-fault' }
  /** There was no key to ask. */
  | { readonly kind: 'no-key' }
  | { readonly kind: 'pause-over' }
  | { readonly kind: 'client-left' };

export type Limits = {
  /** Further keys after innocent failures; 0 asks no second key at all. */
  readonly failoverMax: number;
  readonly retryMax: number;
  readonly retryBaseMs: number;
  /** The body can be sent again. */
  readonly canReplay: boolean;
};

export type Step =
  | { readonly kind: 'same-key' }
  /** `forgetTried`: keys that failed this request before may be asked again. */
  | { readonly kind: 'other-key'; readonly forgetTried: boolean }
  | { readonly kind: 'pause'; readonly ms: number }
  /** The client gets the last answer that was kept, as it came. */
  | { readonly kind: 'relay' }
  /** The client gets an error of the proxy's own: nobody answered, or nobody could be asked. */
  | { readonly kind: 'give-up'; readonly because: 'unreachable' | 'no-key' | 'own-fault' }
  /** Part of an answer is with the client: it learns that the rest will not come. */
  | { readonly kind: 'break-off' }
  | { readonly kind: 'client-left' }
  | { readonly kind: 'done' };

export type Decision = { readonly state: FailoverState; readonly step: Step };

/** An overload is the server's: the same key is asked again at least this often, whatever `KMI_PROXY_RETRY_MAX` says. */
const OVERLOAD_RETRIES = 2;

/** Spent keys one request may find; a pool with more of them has other troubles. */
export const SPENT_KEYS_MAX = 50;

const SAME_KEY: Step = { kind: 'same-key' };
const OTHER_KEY: Step = { kind: 'other-key', forgetTried: false };
const ANY_KEY: Step = { kind: 'other-key', forgetTried: true };
const RELAY: Step = { kind: 'relay' };
const DONE: Step = { kind: 'done' };
const BREAK_OFF: Step = { kind: 'break-off' };

/**
 * What a request does next. The one decision of failover: it knows no sockets, no keys and no clock. A key's own penalty is
 * not its business (`core/verdicts`); it only counts how many keys a request may use up.
 */
export function nextStep(state: FailoverState, outcome: Outcome, limits: Limits): Decision {
  switch (outcome.kind) {
    case 'served':
      return { state, step: outcome.isWhole ? DONE : BREAK_OFF };
    case 'client-left':
      return { state, step: { kind: 'client-left' } };
    case 'own-fault':
      return { state, step: { kind: 'give-up', because: 'own-fault' } };
    case 'answered':
      return afterAnswer(
        { ...state, hasAnswer: true, lastVerdict: outcome.verdict, isLasting: outcome.isLasting },
        outcome.verdict,
        limits,
      );
    case 'failed':
      // A pooled connection may have died while it was idle. That says nothing about the key: once more on a fresh one.
      if (outcome.isSocketDeath && !state.hasTriedFreshSocket && limits.canReplay)
        return { state: { ...state, hasTriedFreshSocket: true }, step: SAME_KEY };
      return afterFailure({ ...state, lastVerdict: 'broken', isLasting: outcome.isLasting }, 'broken', limits);
    case 'no-key':
      return state.lastVerdict === null || state.afterPause !== null ? giveUp(state) : nobodyElse(state, limits);
    case 'pause-over':
      return afterPause(state, limits);
  }
}

function afterAnswer(state: FailoverState, verdict: VerdictClass, limits: Limits): Decision {
  const { next } = CONSEQUENCES[verdict];
  if (next === 'relay') return { state, step: RELAY };
  const mayAskAgain = next === 'same-key' && state.overloads < Math.max(OVERLOAD_RETRIES, limits.retryMax);
  if (!mayAskAgain || !limits.canReplay) return afterFailure(state, verdict, limits);
  const step: Step = { kind: 'pause', ms: backoffMs(state.overloads, limits.retryBaseMs) };
  return { state: { ...state, overloads: state.overloads + 1, afterPause: 'same-key' }, step };
}

/** This key has had its chance. */
function afterFailure(state: FailoverState, verdict: VerdictClass, limits: Limits): Decision {
  if (!limits.canReplay) return giveUp(state);
  // A spent key is put away, so asking the next one costs the pool nothing twice: it does not count against the limit.
  const counted = isSpent(verdict)
    ? { ...state, spentKeys: state.spentKeys + 1, afterPause: null }
    : { ...state, innocentKeys: state.innocentKeys + 1, afterPause: null };
  const { failoverMax } = limits;
  const mayGoOn = failoverMax > 0 && counted.innocentKeys <= failoverMax && counted.spentKeys <= SPENT_KEYS_MAX;
  return mayGoOn ? { state: counted, step: OTHER_KEY } : nobodyElse(counted, limits);
}

/** No further key: only when the upstream itself seems broken for a while is it worth waiting and beginning anew. */
function nobodyElse(state: FailoverState, limits: Limits): Decision {
  if (state.lastVerdict !== 'broken' || state.isLasting || state.rounds >= limits.retryMax) return giveUp(state);
  const step: Step = { kind: 'pause', ms: backoffMs(state.rounds, limits.retryBaseMs) };
  return { state: { ...state, rounds: state.rounds + 1, afterPause: 'any-key' }, step };
}

function afterPause(state: FailoverState, { canReplay }: Limits): Decision {
  if (!canReplay) return giveUp(state);
  return { state, step: state.afterPause === 'same-key' ? SAME_KEY : ANY_KEY };
}

/** A real answer is never replaced by an error of the proxy's. */
function giveUp(state: FailoverState): Decision {
  if (state.hasAnswer) return { state, step: RELAY };
  return { state, step: { kind: 'give-up', because: state.lastVerdict === null ? 'no-key' : 'unreachable' } };
}

/** The failure is the key's or its account's, and the key is put away for it. */
export function isSpent(verdict: VerdictClass): boolean {
  const { blame } = CONSEQUENCES[verdict];
  return blame === 'key' || blame === 'account';
}
