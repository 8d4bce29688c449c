import { backoffMs } from '../verdicts/retry.ts';
import { CONSEQUENCES, type VerdictClass } from '../verdicts/verdict.ts';

/** What a request has behind it. A request that is served at once never leaves `FRESH`. */
export type FailoverState = {
  /** Keys that failed through no proven fault of their own. */
  readonly innocentKeys: number;
  /** Keys that were put on cooldown or blocked for their failure. */
  readonly penalizedKeys: number;
  /** Times the same key was asked again because the server asked for it. */
  readonly sameKeyRetries: number;
  /** Rounds begun again because every key had failed with a network error or 5xx. */
  readonly rounds: number;
  readonly hasTriedFreshSocket: boolean;
  /** The access token of the key that is asked was renewed for this request. */
  readonly hasRenewed: boolean;
  /** It was exchanged for one that was there already, which did not count as that. */
  readonly hasAdopted: boolean;
  /** An answer of the upstream was kept: it is what the client gets when no key does better. */
  readonly hasAnswer: boolean;
  /** The request went to an upstream, in whole or in part. */
  readonly hasSent: boolean;
  /** What the last key failed with. */
  readonly lastVerdict: VerdictClass | null;
  /** Waiting cannot help: a wrong login at the outgoing proxy, a request that goes round in a circle. */
  readonly isLasting: boolean;
  /** Who is asked when the pause is over. */
  readonly afterPause: 'same-key' | 'any-key' | null;
};

export const FRESH: FailoverState = Object.freeze({
  innocentKeys: 0,
  penalizedKeys: 0,
  sameKeyRetries: 0,
  rounds: 0,
  hasTriedFreshSocket: false,
  hasRenewed: false,
  hasAdopted: false,
  hasAnswer: false,
  hasSent: false,
  lastVerdict: null,
  isLasting: false,
  afterPause: null,
});

/** What happened since the last step. */
export type FailoverEvent =
  /** An answer whose head had gone to the client is over. */
  | { readonly kind: 'served'; readonly isWhole: boolean }
  /**
   * An answer of 400 or more, read and judged. `isPenalized`: the key or its account pays for it. `mayRenew`: it refuses the
   * access token of a login, which can get another.
   */
  | {
      readonly kind: 'answered';
      readonly verdict: VerdictClass;
      readonly isPenalized: boolean;
      readonly isLasting: boolean;
      readonly mayRenew?: boolean;
    }
  /** No answer came. `isSocketDeath`: the connection was cut, which an idle one may have been for a while. */
  | { readonly kind: 'failed'; readonly isSocketDeath: boolean; readonly isLasting: boolean }
  /** The request broke a rule on its way up, such as a body beyond the limit. */
  | { readonly kind: 'bad-request' }
  /** The key that is to be asked is an access token whose time is up. */
  | { readonly kind: 'token-over' }
  /** `isNew`: it was got for this; else it was there already, and may be refused as well. */
  | { readonly kind: 'token-renewed'; readonly isNew: boolean }
  /** It could not be renewed, and nothing was sent. */
  | { readonly kind: 'token-lost'; readonly verdict: 'refused' | 'login-over' }
  /** There was no key to ask. */
  | { readonly kind: 'no-key' }
  | { readonly kind: 'pause-over' }
  | { readonly kind: 'client-left' };

/** Those that say all by their kind. */
export const EVENTS = {
  whole: { kind: 'served', isWhole: true },
  broken: { kind: 'served', isWhole: false },
  clientLeft: { kind: 'client-left' },
  badRequest: { kind: 'bad-request' },
  tokenOver: { kind: 'token-over' },
  tokenRenewed: { kind: 'token-renewed', isNew: true },
  tokenAdopted: { kind: 'token-renewed', isNew: false },
  noKey: { kind: 'no-key' },
  pauseOver: { kind: 'pause-over' },
} as const satisfies Readonly<Record<string, FailoverEvent>>;

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
  /** The key's login gets another access token; what comes of it is the next event. */
  | { readonly kind: 'renew' }
  /** `forgetTried`: keys that failed this request before may be asked again. */
  | { readonly kind: 'other-key'; readonly forgetTried: boolean }
  | { readonly kind: 'pause'; readonly ms: number }
  /** The client gets the last answer that was kept, as it came. */
  | { readonly kind: 'relay' }
  /** The client gets an error of the proxy's own: no upstream answered, or no key could be asked. */
  | { readonly kind: 'give-up'; readonly because: 'unreachable' | 'no-key' }
  /** Part of an answer is with the client: it learns that the rest will not come. */
  | { readonly kind: 'break-off' }
  | { readonly kind: 'client-left' }
  | { readonly kind: 'done' };

export type Decision = {
  readonly state: FailoverState;
  readonly step: Step;
  /** What has failed: `attempt` counts against the key that was asked, `key` means another one is to be asked instead. */
  readonly failed: 'nothing' | 'attempt' | 'key';
};

/** An overload is the server's: the same key is asked again at least this often, whatever `KMI_PROXY_RETRY_MAX` says. */
const SAME_KEY_RETRIES = 2;

/** Penalized keys one request may meet; a pool with more of them has other troubles. */
export const PENALIZED_KEYS_MAX = 50;

const SAME_KEY: Step = { kind: 'same-key' };
const RENEW: Step = { kind: 'renew' };
const OTHER_KEY: Step = { kind: 'other-key', forgetTried: false };
const ANY_KEY: Step = { kind: 'other-key', forgetTried: true };
const RELAY: Step = { kind: 'relay' };
const DONE: Step = { kind: 'done' };
const BREAK_OFF: Step = { kind: 'break-off' };

/**
 * What a request does next. The one decision of failover: it knows no sockets, no keys and no clock. Who is penalized is
 * decided elsewhere (`core/verdicts`); here it only counts how many keys a request may use up.
 */
export function nextStep(state: FailoverState, event: FailoverEvent, limits: Limits): Decision {
  switch (event.kind) {
    case 'served':
      return { state, step: event.isWhole ? DONE : BREAK_OFF, failed: 'nothing' };
    case 'client-left':
      return { state, step: { kind: 'client-left' }, failed: 'nothing' };
    case 'bad-request':
      return { state, step: { kind: 'give-up', because: 'unreachable' }, failed: 'nothing' };
    case 'answered':
      return afterAnswer(state, event, limits);
    case 'failed':
      // A pooled connection may have died while it was idle. That says nothing about the key: once more on a fresh one.
      if (event.isSocketDeath && !state.hasTriedFreshSocket && limits.canReplay)
        return { state: { ...state, hasSent: true, hasTriedFreshSocket: true }, step: SAME_KEY, failed: 'nothing' };
      return afterFailure({ ...state, hasSent: true, lastVerdict: 'broken', isLasting: event.isLasting }, false, limits);
    case 'token-over':
      return { state: { ...state, hasRenewed: true }, step: RENEW, failed: 'nothing' };
    case 'token-renewed': {
      if (!mayStillSend(state, limits)) return giveUp(state, 'nothing');
      const mayRenewYet = !event.isNew && !state.hasAdopted;
      return {
        state: mayRenewYet ? { ...state, hasRenewed: false, hasAdopted: true } : state,
        step: SAME_KEY,
        failed: 'nothing',
      };
    }
    case 'token-lost': {
      const { verdict } = event;
      const canReplay = mayStillSend(state, limits);
      return afterFailure({ ...state, lastVerdict: verdict }, verdict === 'login-over', { ...limits, canReplay });
    }
    case 'no-key':
      return state.lastVerdict === null || state.afterPause !== null
        ? giveUp(state, 'nothing')
        : noOtherKey(state, limits, 'nothing');
    case 'pause-over':
      return afterPause(state, limits);
  }
}

function afterAnswer(
  before: FailoverState,
  { verdict, isPenalized, isLasting, mayRenew = false }: Extract<FailoverEvent, { kind: 'answered' }>,
  limits: Limits,
): Decision {
  if (mayRenew && !before.hasRenewed && limits.canReplay)
    return {
      state: { ...before, hasSent: true, hasRenewed: true, hasAnswer: true, lastVerdict: verdict },
      step: RENEW,
      failed: 'nothing',
    };
  const state = { ...before, hasSent: true, hasAnswer: true, lastVerdict: verdict, isLasting };
  const { next } = CONSEQUENCES[verdict];
  if (next === 'relay') return { state, step: RELAY, failed: 'attempt' };
  const mayAskAgain = next === 'same-key' && state.sameKeyRetries < Math.max(SAME_KEY_RETRIES, limits.retryMax);
  if (!mayAskAgain || !limits.canReplay) return afterFailure(state, isPenalized, limits);
  const step: Step = { kind: 'pause', ms: backoffMs(state.sameKeyRetries, limits.retryBaseMs) };
  return { state: { ...state, sameKeyRetries: state.sameKeyRetries + 1, afterPause: 'same-key' }, step, failed: 'attempt' };
}

/** A body that cannot be sent again can be sent once. */
function mayStillSend({ hasSent }: FailoverState, { canReplay }: Limits): boolean {
  return canReplay || !hasSent;
}

/** Of the next key. */
const NO_TOKEN_YET = { hasRenewed: false, hasAdopted: false };

/** This key has had its chance. */
function afterFailure(state: FailoverState, isPenalized: boolean, limits: Limits): Decision {
  if (!limits.canReplay) return giveUp(state, 'attempt');
  // A penalized key is not asked again, so asking the next one costs the pool nothing twice: it does not count against the limit.
  const counted = isPenalized
    ? { ...state, penalizedKeys: state.penalizedKeys + 1, ...NO_TOKEN_YET, afterPause: null }
    : { ...state, innocentKeys: state.innocentKeys + 1, ...NO_TOKEN_YET, afterPause: null };
  const { failoverMax } = limits;
  const mayGoOn = failoverMax > 0 && counted.innocentKeys <= failoverMax && counted.penalizedKeys <= PENALIZED_KEYS_MAX;
  return mayGoOn ? { state: counted, step: OTHER_KEY, failed: 'key' } : noOtherKey(counted, limits, 'key');
}

/** No further key: only when the upstream itself seems broken for a while is it worth waiting and beginning again. */
function noOtherKey(state: FailoverState, limits: Limits, failed: Decision['failed']): Decision {
  if (state.lastVerdict !== 'broken' || state.isLasting || state.rounds >= limits.retryMax) return giveUp(state, failed);
  const step: Step = { kind: 'pause', ms: backoffMs(state.rounds, limits.retryBaseMs) };
  return { state: { ...state, rounds: state.rounds + 1, afterPause: 'any-key' }, step, failed };
}

function afterPause(state: FailoverState, { canReplay }: Limits): Decision {
  if (!canReplay) return giveUp(state, 'nothing');
  return { state, step: state.afterPause === 'same-key' ? SAME_KEY : ANY_KEY, failed: 'nothing' };
}

/** A real answer is never replaced by an error of the proxy's. */
function giveUp(state: FailoverState, failed: Decision['failed']): Decision {
  if (state.hasAnswer) return { state, step: RELAY, failed };
  return { state, step: { kind: 'give-up', because: state.lastVerdict === null ? 'no-key' : 'unreachable' }, failed };
}
