import fc from 'fast-check';
import { expect, it } from 'vitest';
import { hasPassed, judgeRotation, type RotationQuestion } from '../../../src/core/trace/rotation-check.ts';
import type { TraceEvent } from '../../../src/core/trace/trace-event.ts';
import { traceEvent } from '../../trace/event-fixture.ts';

const keys = ['ada', 'ben', 'cleo'];
const NO_ACCOUNTS: ReadonlyMap<string, string> = new Map();

function check(
  labels: readonly string[],
  fields: Partial<TraceEvent> = {},
  ready: readonly string[] = keys,
  { window = null, accountOf = NO_ACCOUNTS, weightOf }: Partial<Pick<RotationQuestion, 'window' | 'accountOf' | 'weightOf'>> = {},
) {
  const events = labels.map((key_label, n) => traceEvent(n, { key_label, ...fields }));
  const answers = events.map(({ status }) => ({ status }));
  return judgeRotation({ answers, events, ready, accountOf, ...(weightOf && { weightOf }), window, minConfidence: 95 });
}

const turns = (count: number, among: readonly string[] = keys) =>
  Array.from({ length: count }, (_, n) => among[n % among.length] as string);

it('an even rotation passes', () => {
  const result = check(turns(48));
  expect(result).toMatchObject({ confidence: 100, turns: 'keys', isEven: true, passedOver: [] });
  expect(hasPassed(result)).toBe(true);
});

it('a key that could serve and got nothing fails it', () => {
  const result = check(turns(48, ['ada', 'ben']));
  expect(result.distribution.counts).toContainEqual(['cleo', 0]);
  expect(hasPassed(result)).toBe(false);
});

it('a key that was passed over on the way is named and left out', () => {
  const events = turns(60).map((label, n) =>
    label !== 'cleo' || n < 9
      ? traceEvent(n, { key_label: label })
      : traceEvent(n, { key_label: n % 2 === 0 ? 'ada' : 'ben', skipped: [{ key_label: 'cleo', reason: 'quota' }] }),
  );
  const answers = events.map(() => ({ status: 200 }));
  const result = judgeRotation({ answers, events, ready: keys, accountOf: NO_ACCOUNTS, window: 60, minConfidence: 90 });
  expect(result.passedOver).toEqual([{ key: 'cleo', reasons: ['quota'] }]);
  expect(hasPassed(result)).toBe(true);
});

it('with round-robin off there is no confidence, and only failures fail it', () => {
  const result = check(turns(20, ['ada']), { choice: 'active' });
  expect(result).toMatchObject({ confidence: null, turns: 'nobody' });
  expect(result.distribution.counts).toEqual([['ada', 20]]);
  expect(hasPassed(result)).toBe(true);
  expect(hasPassed(check(turns(20, ['ada']), { choice: 'active', status: 502 }))).toBe(false);
});

it('where accounts take turns, each account is judged, whichever of its keys answered', () => {
  const accountOf = new Map([
    ['ada', 'one'],
    ['ada-2', 'one'],
    ['ben', 'two'],
  ]);
  const all = ['ada', 'ada-2', 'ben'];
  const mixed = turns(48, ['ada', 'ben', 'ada-2', 'ben']);
  const result = check(mixed, { choice: 'dealt' }, all, { accountOf });
  expect(result).toMatchObject({ confidence: 100, turns: 'accounts', sole: null });
  expect(hasPassed(result)).toBe(true);
  // The second key of an account has no turn of its own.
  const usual = check(turns(48, ['ada', 'ben']), { choice: 'dealt' }, all, { accountOf });
  expect(usual.distribution.counts).toEqual([
    ['ada', 24],
    ['ben', 24],
  ]);
  expect(hasPassed(usual)).toBe(true);
  // Round-robin promises a turn to each key.
  expect(hasPassed(check(mixed, {}, all, { accountOf }))).toBe(false);
  expect(hasPassed(check(turns(48, ['ada']), { choice: 'dealt' }, all, { accountOf }))).toBe(false);
});

it('where accounts take turns by weight, each is judged by its own share', () => {
  const weightOf = new Map([
    ['one', 100],
    ['ben', 200],
    ['cleo', 500],
  ]);
  const accountOf = new Map([['ada', 'one']]);
  const weighed = (labels: readonly string[]) => check(labels, { choice: 'weighted' }, keys, { accountOf, weightOf });
  const fair = ['cleo', 'ben', 'cleo', 'cleo', 'ada', 'cleo', 'ben', 'cleo'];
  expect(weighed(turns(80, fair))).toMatchObject({ confidence: 100, turns: 'weights', sole: null, isEven: true });
  // As fair as ten requests can be.
  expect(hasPassed(weighed(turns(10, fair)))).toBe(true);
  // Equal shares are not what was asked for, and one that got nothing is missed.
  expect(hasPassed(weighed(turns(48)))).toBe(false);
  expect(hasPassed(weighed(turns(80, ['cleo', 'ben', 'cleo', 'cleo'])))).toBe(false);
});

it('when one alone could serve, nothing is judged, and answers are all that counts', () => {
  const skipped = ['ben', 'cleo'].map((key_label) => ({ key_label, reason: 'quota' }));
  const onCooldown = check(turns(20, ['ada']), { skipped });
  const lone = check(turns(20, ['ada']), {}, ['ada']);
  const accountOf = new Map(keys.map((key) => [key, 'one']));
  const oneAccount = check(turns(20, ['ada', 'ben']), { choice: 'dealt' }, keys, { accountOf });
  for (const result of [onCooldown, lone, oneAccount]) {
    expect(result).toMatchObject({ confidence: null, isEven: false, sole: 'ada' });
    expect(hasPassed(result)).toBe(true);
  }
  expect(hasPassed(check(turns(20, ['ada']), { status: 502 }, ['ada']))).toBe(false);
});

it('requests that are not in the trace fail it', () => {
  const result = judgeRotation({
    answers: [{ status: 200 }],
    events: [],
    ready: keys,
    accountOf: NO_ACCOUNTS,
    window: 50,
    minConfidence: 95,
  });
  expect(hasPassed(result)).toBe(false);
});

it('failures are counted by what they were', () => {
  const answers = [{ status: 200 }, { status: 429 }, { status: 429 }, { error: 'ECONNRESET' }];
  const result = judgeRotation({
    answers,
    events: [traceEvent(0)],
    ready: keys,
    accountOf: NO_ACCOUNTS,
    window: 50,
    minConfidence: 0,
  });
  expect(result).toMatchObject({
    sent: 4,
    answered: 1,
    failures: [
      ['HTTP 429', 2],
      ['ECONNRESET', 1],
    ],
  });
  expect(hasPassed(result)).toBe(false);
});

it('turns taken strictly in order pass whatever the number of requests and keys', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 40 }), fc.nat(39), (count, size, from) => {
      const labels = Array.from({ length: size }, (_, n) => `key-${n}`);
      const ordered = turns(count + from, labels).slice(from);
      expect(hasPassed(check(ordered, {}, labels))).toBe(true);
    }),
  );
});

it('only the newest requests of the window are judged', () => {
  const result = check([...turns(30, ['ada']), ...turns(12)], {}, keys, { window: 12 });
  expect(result).toMatchObject({ confidence: 100, traced: 42 });
  // What is shown adds up to what was sent.
  expect(result).toMatchObject({ judged: 12, distribution: { total: 42 } });
});
