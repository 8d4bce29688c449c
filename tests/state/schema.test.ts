import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type KeyState, newKeyState } from '../../src/core/keys/key-state.ts';
import { NO_UNKNOWNS, newState, parseState, renderState, renderTime } from '../../src/state/schema.ts';

function parsed(raw: unknown) {
  const result = parseState(typeof raw === 'string' ? raw : JSON.stringify(raw));
  if (result === null) throw new Error('not parsed');
  return result;
}

const stateOf = (raw: unknown) => parsed(raw).state;
const keyOf = (entry: unknown) => stateOf({ keys: { k: entry } }).keys.get('k');
const saved = (raw: unknown) => {
  const { state, unknowns } = parsed(raw);
  return JSON.parse(renderState(state, unknowns));
};

/** As the Python tool writes it (docs/kmi-manager.md#state-file). */
const PYTHON = {
  schema_version: 1,
  active_index: 2,
  rotation_index: 1,
  auto_rotate: true,
  last_health_refresh: '2026-02-02T09:00:00Z',
  keys: {
    work: {
      last_used: '2026-02-02T09:00:01Z',
      request_count: 41,
      error_401: 1,
      error_403: 2,
      error_429: 3,
      error_5xx: 4,
      exhausted_until: '2026-02-02T09:05:00Z',
      blocked_until: '2026-02-02T10:00:00Z',
      blocked_reason: 'payment_required',
    },
    Дом: {
      last_used: null,
      request_count: 0,
      error_401: 0,
      error_403: 0,
      error_429: 0,
      error_5xx: 0,
      exhausted_until: null,
      blocked_until: null,
      blocked_reason: null,
    },
  },
};

describe('a file of the Python tool', () => {
  it('is read in full', () => {
    expect(stateOf(PYTHON)).toEqual({
      activeKey: null,
      activeIndex: 2,
      rotationIndex: 1,
      autoRotate: true,
      strategy: null,
      lastHealthRefresh: Date.UTC(2026, 1, 2, 9),
      sessionMoves: { count: 0, tokens: 0 },
      keys: new Map([
        [
          'work',
          {
            lastUsed: Date.UTC(2026, 1, 2, 9, 0, 1),
            requests: 41,
            errors401: 1,
            errors403: 2,
            errors429: 3,
            errors5xx: 4,
            cooldown: { until: Date.UTC(2026, 1, 2, 9, 5), reason: 'quota' },
            block: { until: Date.UTC(2026, 1, 2, 10), reason: 'payment_required' },
            account: null,
            failedAt: null,
            quotaSeenAt: null,
          },
        ],
        ['Дом', newKeyState()],
      ]),
    });
  });

  it('is written back with every field as it was', () => {
    expect(saved(PYTHON)).toEqual({
      ...PYTHON,
      active_key: null,
      keys: { ...PYTHON.keys, work: { ...PYTHON.keys.work, exhausted_reason: 'quota' } },
    });
  });

  it('may hold a block that ends only by hand', () => {
    const entry = { blocked_until: null, blocked_reason: 'payment_required' };
    expect(keyOf(entry)?.block).toEqual({ until: null, reason: 'payment_required' });
    expect(saved({ keys: { k: entry } }).keys.k).toMatchObject(entry);
  });
});

describe('what this version does not know', () => {
  it('survives a save at both levels', () => {
    const raw = {
      ...PYTHON,
      affinity: { a: [1, { b: null }] },
      constructor: 'x',
      keys: { work: { ...PYTHON.keys.work, note: 'mine', nested: { deep: [true] } } },
    };
    const once = saved(raw);
    expect(once).toMatchObject(raw);
    expect(saved(once)).toEqual(once);
  });

  it('never overrides what this version does know', () => {
    const { state, unknowns } = parsed({ active_index: 1, keys: { k: { request_count: 5, extra: 1 } } });
    state.activeIndex = 3;
    (state.keys.get('k') as KeyState).requests = 6;
    expect(JSON.parse(renderState(state, unknowns))).toMatchObject({
      active_index: 3,
      keys: { k: { request_count: 6, extra: 1 } },
    });
  });
});

describe('a schema version', () => {
  it.each([[undefined], [null], [0], [1], [2], [99], ['1'], [{}]])('%j is read as far as it is understood', (version) => {
    const raw = { ...PYTHON, schema_version: version, from_the_future: 1 };
    expect(stateOf(raw)).toEqual(stateOf(PYTHON));
    expect(saved(raw)).toMatchObject({ schema_version: 1, from_the_future: 1 });
  });
});

describe('hostile content', () => {
  it.each(['', ' ', '{', 'null', '[]', '[1]', '"x"', '5', 'true', '{"a":1}x', '\0\0\0', '<html>'])('%j is no state', (text) => {
    expect(parseState(text)).toBeNull();
  });

  it('a byte order mark in front is passed over', () => {
    expect(stateOf(`\uFEFF${JSON.stringify(PYTHON)}`)).toEqual(stateOf(PYTHON));
  });

  it.each<[unknown, number]>([
    [7, 7],
    [7.0, 7],
    [-1, 0],
    [-0, 0],
    [0.5, 0],
    [1e300, 0],
    ['7', 0],
    [true, 0],
    [null, 0],
    [[7], 0],
    [{ valueOf: 7 }, 0],
  ])('a counter of %j counts as %i', (value, count) => {
    expect(keyOf({ request_count: value, error_403: value })).toMatchObject({ requests: count, errors403: count });
    expect(stateOf({ active_index: value, rotation_index: value })).toMatchObject({ activeIndex: count, rotationIndex: count });
  });

  it('fields of wrong types take their first value, and the rest stands', () => {
    const raw = { active_key: 5, auto_rotate: 'yes', last_health_refresh: 17, keys: [1, 2] };
    expect(stateOf(raw)).toEqual(newState());
    expect([...stateOf({ keys: { a: null, b: 1, c: 'x', d: [], e: {} } }).keys.keys()]).toEqual(['e']);
    expect(keyOf({ blocked_reason: 5, exhausted_until: {}, last_used: [], request_count: 3 })).toEqual({
      ...newKeyState(),
      requests: 3,
    });
    expect(keyOf({ blocked_until: '2026-02-02T10:00:00Z', blocked_reason: '' })?.block?.reason).toBe('blocked');
    expect(keyOf({ exhausted_until: '2026-02-02T10:00:00Z', exhausted_reason: 'toString' })?.cooldown?.reason).toBe('quota');
  });

  it('labels and fields named like object members are labels and fields like any other', () => {
    const text = `{"__proto__":{"polluted":1},"keys":{"__proto__":{"request_count":3,"__proto__":{"x":1}},"constructor":{"request_count":4}}}`;
    const { state, unknowns } = parsed(text);
    expect([...state.keys].map(([label, { requests }]) => [label, requests])).toEqual([
      ['__proto__', 3],
      ['constructor', 4],
    ]);
    const again = renderState(state, unknowns);
    expect(again).toContain('"polluted": 1');
    expect(parsed(again).state).toEqual(state);
    expect(({} as { polluted?: number; x?: number }).polluted).toBeUndefined();
  });

  it('any JSON object is a state whose rendering is a state again, the same', () => {
    const values = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom('2026-02-02T10:00:00Z', 'auth', 5, -5, Number.MAX_VALUE),
    );
    const names = fc.constantFrom('request_count', 'error_401', 'exhausted_until', 'exhausted_reason', 'blocked_until', 'x');
    const entries = fc.dictionary(names, values);
    const file = fc.record(
      {
        schema_version: values,
        active_index: values,
        active_key: values,
        auto_rotate: values,
        keys: fc.oneof(values, fc.dictionary(fc.oneof(fc.string(), fc.constant('__proto__')), fc.oneof(values, entries))),
        other: values,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(file, (raw) => {
        const first = parsed(JSON.stringify(raw));
        const text = renderState(first.state, first.unknowns);
        const second = parsed(text);
        expect(second.state).toEqual(first.state);
        expect(renderState(second.state, second.unknowns)).toBe(text);
      }),
    );
  });
});

describe('times', () => {
  const at = Date.UTC(2026, 1, 2, 10, 20, 30);
  it.each<[string, number | null]>([
    ['2026-02-02T10:20:30Z', at],
    ['2026-02-02T10:20:30', at],
    ['2026-02-02T10:20:30.5Z', at + 500],
    ['2026-02-02T10:20:30.519605Z', at + 519],
    ['2026-02-02T10:20:30.519605123Z', at + 519],
    ['2026-02-02T10:20:30.519605', at + 519],
    ['2026-02-02T13:20:30+03:00', at],
    ['2026-02-02T13:20:30+0300', at],
    ['2026-02-02T10:20:30.123456+00:00', at + 123],
    ['2026-02-02T04:50:30-05:30', at],
    ['2026-02-02', null],
    ['yesterday', null],
    ['2026-02-02T99:20:30Z', null],
    ['2026-13-02T10:20:30Z', null],
    [`2026-02-02T10:20:30.${'1'.repeat(100)}Z`, null],
    ['', null],
  ])('%s', (text, expected) => {
    expect(keyOf({ last_used: text })?.lastUsed ?? null).toBe(expected);
  });

  it('are written in whole seconds that never end a cooldown early', () => {
    expect([at, at + 1, at + 999].map(renderTime)).toEqual([
      '2026-02-02T10:20:30Z',
      '2026-02-02T10:20:31Z',
      '2026-02-02T10:20:31Z',
    ]);
  });

  it('of any size can be written and read, so that no setting stops the saves', () => {
    for (const time of [1e300, Number.POSITIVE_INFINITY, 8.64e15, 8.64e15 + 1, Date.UTC(9999, 11, 31, 23, 59, 59, 999)]) {
      expect(renderTime(time)).toBe('9999-12-31T23:59:59Z');
    }
    expect([renderTime(-5), renderTime(Number.NEGATIVE_INFINITY)]).toEqual(['1970-01-01T00:00:00Z', '1970-01-01T00:00:00Z']);
    expect([renderTime(null), renderTime(Number.NaN)]).toEqual([null, null]);
    const state = newState();
    state.keys.set('k', { ...newKeyState(), block: { until: 1e18, reason: 'payment_required' } });
    expect(stateOf(renderState(state, NO_UNKNOWNS)).keys.get('k')?.block?.until).toBe(Date.UTC(9999, 11, 31, 23, 59, 59));
  });
});

it('a file of many keys has a line for each, for it is written often', () => {
  const state = newState();
  for (let n = 0; n < 201; n++) state.keys.set(`k${n}`, newKeyState());
  expect(renderState(state, NO_UNKNOWNS).split('\n')).toHaveLength(202);
  expect(renderState(newState(), NO_UNKNOWNS).split('\n').length).toBeGreaterThan(5);
});

it('a file of many keys says what one of few says, whatever the labels and what others wrote', () => {
  const odd = ['__proto__', 'toJSON', '1', '', '"\\', '\u2028', 'ключ', '\ud800'];
  const stateOfMany = newState();
  const stateOfFew = newState();
  for (const [n, label] of odd.entries()) {
    const key = {
      ...newKeyState(),
      requests: n,
      lastUsed: 1_760_000_000_000 + n,
      cooldown: n % 2 === 0 ? null : ({ until: 1_790_000_000_000, reason: 'rate' } as const),
      block: n % 3 === 0 ? null : { until: null, reason: 'a "quoted" \\ reason' },
      account: n % 2 === 0 ? null : { id: '0123abcd', at: 1_760_000_000_000 },
    };
    stateOfMany.keys.set(label, key);
    stateOfFew.keys.set(label, key);
  }
  const unknowns = {
    top: { a_list: [1, { deep: true }] },
    keys: new Map([
      ['1', { note: 'kept "here"' }],
      ['', {}],
    ]),
  };
  for (let n = 0; n < 200; n++) stateOfMany.keys.set(`k${n}`, newKeyState());
  const many = JSON.parse(renderState(stateOfMany, unknowns));
  const few = JSON.parse(renderState(stateOfFew, unknowns));
  for (let n = 0; n < 200; n++) delete many.keys[`k${n}`];
  expect(many).toEqual(few);
  expect(Object.keys(few.keys).sort()).toEqual([...odd].sort());
  expect(few.keys['1']).toMatchObject({ note: 'kept "here"', request_count: 2 });
});
