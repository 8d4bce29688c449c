import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Decision,
  type FailoverEvent,
  type FailoverState,
  FRESH,
  type Limits,
  nextStep,
  PENALIZED_KEYS_MAX,
  type Step,
} from '../../../src/core/failover/next-step.ts';
import { CONSEQUENCES, type VerdictClass } from '../../../src/core/verdicts/verdict.ts';

const LIMITS: Limits = { failoverMax: 3, retryMax: 0, retryBaseMs: 250, canReplay: true };
const VERDICTS = (Object.keys(CONSEQUENCES) as VerdictClass[]).filter((verdict) => verdict !== 'served');

const PENALIZED: ReadonlySet<VerdictClass> = new Set(['bad-key', 'login-over', 'unpaid', 'quota', 'rate', 'banned'] as const);
const answered = (verdict: VerdictClass, isPenalized = PENALIZED.has(verdict)): FailoverEvent => ({
  kind: 'answered',
  verdict,
  isPenalized,
  isLasting: false,
});
const FAILED: FailoverEvent = { kind: 'failed', isSocketDeath: false, isLasting: false };
const SOCKET_DIED: FailoverEvent = { kind: 'failed', isSocketDeath: true, isLasting: false };
const LASTING: FailoverEvent = { kind: 'failed', isSocketDeath: false, isLasting: true };
const TOKEN_REFUSED: FailoverEvent = {
  kind: 'answered',
  verdict: 'bad-key',
  isPenalized: true,
  isLasting: false,
  mayRenew: true,
};
const TOKEN_OVER: FailoverEvent = { kind: 'token-over' };
const RENEWED: FailoverEvent = { kind: 'token-renewed', isNew: true };
const ADOPTED: FailoverEvent = { kind: 'token-renewed', isNew: false };
const NOT_RENEWED: FailoverEvent = { kind: 'token-lost', verdict: 'refused' };
const LOGIN_OVER: FailoverEvent = { kind: 'token-lost', verdict: 'login-over' };
const NO_KEY: FailoverEvent = { kind: 'no-key' };
const PAUSE_OVER: FailoverEvent = { kind: 'pause-over' };

/** The steps that follow a series of outcomes. */
function steps(outcomes: readonly FailoverEvent[], limits: Partial<Limits> = {}): string[] {
  let state: FailoverState = FRESH;
  return outcomes.map((outcome) => {
    const decision: Decision = nextStep(state, outcome, { ...LIMITS, ...limits });
    state = decision.state;
    return said(decision.step);
  });
}

function said(step: Step): string {
  if (step.kind === 'pause') return `pause ${step.ms}`;
  if (step.kind === 'give-up') return `give-up: ${step.because}`;
  if (step.kind === 'other-key') return step.forgetTried ? 'any-key' : 'other-key';
  return step.kind;
}

describe('after one answer', () => {
  const afterOne: Record<Exclude<VerdictClass, 'served'>, string> = {
    caller: 'relay',
    'agents-only': 'relay',
    foreign: 'relay',
    edge: 'pause 250',
    'dead-end': 'other-key',
    'bad-key': 'other-key',
    'login-over': 'other-key',
    'no-model': 'other-key',
    unpaid: 'other-key',
    quota: 'other-key',
    rate: 'other-key',
    overloaded: 'pause 250',
    broken: 'other-key',
    refused: 'other-key',
    banned: 'other-key',
  };
  it.each(Object.entries(afterOne))('%s: %s', (verdict, step) => {
    expect(steps([answered(verdict as VerdictClass)])).toEqual([step]);
  });

  it.each(VERDICTS)('%s is relayed when the body cannot be sent again', (verdict) => {
    expect(steps([answered(verdict)], { canReplay: false })).toEqual(['relay']);
  });

  it.each(VERDICTS)('%s is relayed when there is no other key', (verdict) => {
    const [first] = steps([answered(verdict)]);
    const outcomes =
      first === 'other-key'
        ? [answered(verdict), NO_KEY]
        : [answered(verdict), PAUSE_OVER, answered(verdict), PAUSE_OVER, answered(verdict), NO_KEY];
    expect(steps(first === 'relay' ? [answered(verdict)] : outcomes).at(-1)).toBe('relay');
  });
});

describe('a request', () => {
  it.each([
    ['is done once its answer is whole', [{ kind: 'served', isWhole: true }], {}, ['done']],
    ['whose answer broke in the middle is not sent again', [{ kind: 'served', isWhole: false }], {}, ['break-off']],
    ['ends when its client leaves', [FAILED, { kind: 'client-left' }], {}, ['other-key', 'client-left']],
    ['that breaks a rule itself goes nowhere else', [{ kind: 'bad-request' }], {}, ['give-up: unreachable']],
    ['without any key is refused', [NO_KEY], {}, ['give-up: no-key']],
    ['whose connection died asks the same key once more', [SOCKET_DIED, SOCKET_DIED], {}, ['same-key', 'other-key']],
    ['whose connection died is not sent again when it cannot be', [SOCKET_DIED], { canReplay: false }, ['give-up: unreachable']],
    ['that nobody answered says so', [FAILED, NO_KEY], {}, ['other-key', 'give-up: unreachable']],
    ['that somebody answered gets that answer', [answered('rate'), FAILED, NO_KEY], {}, ['other-key', 'other-key', 'relay']],
    ['asks nobody else when failover is off', [answered('rate')], { failoverMax: 0 }, ['relay']],
    [
      'asks three further keys, not four',
      [answered('broken'), answered('broken'), answered('broken'), answered('broken')],
      {},
      ['other-key', 'other-key', 'other-key', 'relay'],
    ],
    [
      'does not count keys that are used up',
      [...Array.from({ length: 9 }, () => answered('quota')), answered('broken'), NO_KEY],
      {},
      [...Array.from({ length: 10 }, () => 'other-key'), 'relay'],
    ],
    [
      'asks no more than the set number of keys when each is refused without a reason, which penalizes none',
      Array.from({ length: 5 }, () => answered('bad-key', false)),
      {},
      ['other-key', 'other-key', 'other-key', 'relay', 'relay'],
    ],
    [
      'asks an overloaded server twice more, then another key',
      [answered('overloaded'), PAUSE_OVER, answered('overloaded'), PAUSE_OVER, answered('overloaded')],
      {},
      ['pause 250', 'same-key', 'pause 500', 'same-key', 'other-key'],
    ],
    [
      'begins anew after a pause when every key is broken',
      [FAILED, NO_KEY, PAUSE_OVER, FAILED, PAUSE_OVER, NO_KEY],
      { retryMax: 2, failoverMax: 1 },
      ['other-key', 'pause 250', 'any-key', 'pause 500', 'any-key', 'give-up: unreachable'],
    ],
    ['does not begin anew where waiting cannot help', [LASTING, NO_KEY], { retryMax: 2 }, ['other-key', 'give-up: unreachable']],
    [
      'does not begin anew when the last key was only rate limited',
      [FAILED, answered('rate'), NO_KEY],
      { retryMax: 2 },
      ['other-key', 'other-key', 'relay'],
    ],
    ['whose token is refused asks again with a new one', [TOKEN_REFUSED, RENEWED], {}, ['renew', 'same-key']],
    [
      'whose new token is refused too asks another key',
      [TOKEN_REFUSED, RENEWED, TOKEN_REFUSED],
      {},
      ['renew', 'same-key', 'other-key'],
    ],
    [
      'renews the token that another process has got, when that is refused too, and once only',
      [TOKEN_REFUSED, ADOPTED, TOKEN_REFUSED, ADOPTED, TOKEN_REFUSED],
      {},
      ['renew', 'same-key', 'renew', 'same-key', 'other-key'],
    ],
    [
      'renews the token of each key that it asks',
      [TOKEN_REFUSED, TOKEN_REFUSED, TOKEN_REFUSED, RENEWED],
      {},
      ['renew', 'other-key', 'renew', 'same-key'],
    ],
    [
      'whose token is refused and not renewed gets that answer',
      [TOKEN_REFUSED, TOKEN_REFUSED, NO_KEY],
      {},
      ['renew', 'other-key', 'relay'],
    ],
    ['whose token is refused is not sent again when it cannot be', [TOKEN_REFUSED], { canReplay: false }, ['relay']],
    ['renews a token whose time is up before it sends', [TOKEN_OVER, RENEWED], { canReplay: false }, ['renew', 'same-key']],
    [
      'asks another key when the token is not renewed, also with a body that can be sent once',
      [TOKEN_OVER, NOT_RENEWED],
      { canReplay: false },
      ['renew', 'other-key'],
    ],
    [
      'renews one login after another while nothing was sent, also with a body that can be sent once',
      [TOKEN_OVER, NOT_RENEWED, TOKEN_OVER, RENEWED],
      { canReplay: false },
      ['renew', 'other-key', 'renew', 'same-key'],
    ],
    ['whose only login is over says so', [TOKEN_OVER, LOGIN_OVER, NO_KEY], {}, ['renew', 'other-key', 'give-up: unreachable']],
    ['is not sent again after a pause in which its body outgrew what is held', [answered('overloaded')], {}, ['pause 250']],
  ] as [string, FailoverEvent[], Partial<Limits>, string[]][])('%s', (_title, outcomes, limits, expected) => {
    expect(steps(outcomes, limits)).toEqual(expected);
  });

  it('gives up after a pause in which its body outgrew what is held', () => {
    const { state } = nextStep(FRESH, answered('overloaded'), LIMITS);
    expect(nextStep(state, PAUSE_OVER, { ...LIMITS, canReplay: false }).step).toEqual({ kind: 'relay' });
  });
});

/** A pool of keys with an upstream that answers as it likes, and the request that meets them. */
type Met = {
  readonly attempts: number;
  readonly distinctKeys: number;
  readonly furtherInnocent: number;
  readonly spent: number;
  readonly rounds: number;
  readonly end: Step;
  readonly answers: number;
  readonly sentAfterEnd: number;
};

function meet(script: readonly FailoverEvent[], keys: number, limits: Limits, replayable: (attempt: number) => boolean): Met {
  let state: FailoverState = FRESH;
  const tried = new Set<number>();
  const asked = new Set<number>();
  let key = -1;
  let attempts = 0;
  let rounds = 0;
  let answers = 0;
  let furtherInnocent = 0;
  let spent = 0;
  let sentAfterEnd = 0;
  let last: FailoverEvent = NO_KEY;
  const take = (): boolean => {
    key = [...Array(keys).keys()].find((n) => !tried.has(n)) ?? -1;
    return key !== -1;
  };
  const attempt = (): FailoverEvent => {
    if (attempts > 0 && !replayable(attempts)) sentAfterEnd += 1;
    asked.add(key);
    const outcome = script[attempts % script.length] as FailoverEvent;
    attempts += 1;
    if (outcome.kind === 'answered') answers += 1;
    return outcome;
  };
  last = take() ? attempt() : NO_KEY;
  for (let n = 0; n < 10_000; n++) {
    const { state: next, step } = nextStep(state, last, { ...limits, canReplay: limits.canReplay && replayable(attempts) });
    state = next;
    if (step.kind === 'pause') last = PAUSE_OVER;
    else if (step.kind === 'renew') last = attempts % 2 === 0 ? RENEWED : last;
    else if (step.kind === 'same-key') last = attempt();
    else if (step.kind === 'other-key') {
      if (step.forgetTried) {
        tried.clear();
        rounds += 1;
      } else tried.add(key);
      if (!step.forgetTried && last.kind === 'answered' && last.isPenalized) spent += 1;
      else if (!step.forgetTried) furtherInnocent += 1;
      last = take() ? attempt() : NO_KEY;
    } else return { attempts, distinctKeys: asked.size, furtherInnocent, spent, rounds, end: step, answers, sentAfterEnd };
  }
  throw new Error('It did not end.');
}

const outcome: fc.Arbitrary<FailoverEvent> = fc.oneof(
  { weight: 1, arbitrary: fc.boolean().map((isWhole): FailoverEvent => ({ kind: 'served', isWhole })) },
  { weight: 1, arbitrary: fc.constantFrom<FailoverEvent>({ kind: 'client-left' }, { kind: 'bad-request' }) },
  {
    weight: 4,
    arbitrary: fc
      .record({ isSocketDeath: fc.boolean(), isLasting: fc.boolean() })
      .map((how): FailoverEvent => ({ kind: 'failed', ...how })),
  },
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.constantFrom(...VERDICTS), fc.boolean(), fc.boolean())
      .map(
        ([verdict, isPenalized, mayRenew]): FailoverEvent =>
          ({ ...answered(verdict, isPenalized), mayRenew: mayRenew && verdict === 'bad-key' }) as FailoverEvent,
      ),
  },
);
const script = fc.array(outcome, { minLength: 1, maxLength: 40 });
const limits = fc.record({
  failoverMax: fc.integer({ min: 0, max: 8 }),
  retryMax: fc.integer({ min: 0, max: 5 }),
  retryBaseMs: fc.constant(1),
  canReplay: fc.boolean(),
});
const keys = fc.integer({ min: 0, max: 80 });

describe('whatever the upstream answers', () => {
  const law = (title: string, check: (met: Met, limits: Limits, script: readonly FailoverEvent[]) => void) =>
    it(title, () => {
      fc.assert(
        fc.property(script, keys, limits, fc.integer({ min: 0, max: 60 }), (outcomes, count, given, heldFor) => {
          check(
            meet(outcomes, count, given, (attempt) => attempt <= heldFor),
            given,
            outcomes,
          );
        }),
        { numRuns: 2_000 },
      );
    });

  law('it ends, after a bounded number of attempts', ({ attempts }, { failoverMax, retryMax }) => {
    const keysAsked = failoverMax === 0 ? 1 : 1 + failoverMax + PENALIZED_KEYS_MAX;
    // Each key's token may be renewed once.
    expect(attempts).toBeLessThanOrEqual(2 * keysAsked + retryMax + Math.max(2, retryMax) + 1);
  });

  law('no more than the set number of innocent keys is followed by another', ({ furtherInnocent, spent }, { failoverMax }) => {
    expect(furtherInnocent).toBeLessThanOrEqual(failoverMax);
    expect(spent).toBeLessThanOrEqual(failoverMax === 0 ? 0 : PENALIZED_KEYS_MAX);
  });

  law('nothing is sent a second time once the body cannot be', ({ sentAfterEnd }) => {
    expect(sentAfterEnd).toBe(0);
  });

  law('nothing is asked again once the answer has begun or the client has left', ({ attempts, end }, _limits, outcomes) => {
    const final = outcomes.findIndex(({ kind }) => kind === 'served' || kind === 'client-left' || kind === 'bad-request');
    if (final !== -1) expect(attempts).toBeLessThanOrEqual(final + 1);
    const isServed = end.kind === 'done' || end.kind === 'break-off';
    if (isServed) expect(outcomes[(attempts - 1) % outcomes.length]).toMatchObject({ kind: 'served' });
  });

  law('a real answer is never replaced by an error of the proxy', ({ answers, end }, _limits, outcomes) => {
    if (end.kind === 'give-up' && !outcomes.some(({ kind }) => kind === 'bad-request')) expect(answers).toBe(0);
    if (end.kind === 'relay') expect(answers).toBeGreaterThan(0);
  });

  law('a wrong request is tried once', ({ attempts }, _limits, outcomes) => {
    const wrong = outcomes.findIndex((each) => each.kind === 'answered' && each.verdict === 'caller');
    if (wrong !== -1) expect(attempts).toBeLessThanOrEqual(wrong + 1);
  });

  law('rounds begin anew no more often than set', ({ rounds }, { retryMax }) => {
    expect(rounds).toBeLessThanOrEqual(retryMax);
  });
});
