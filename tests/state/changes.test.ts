import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Counter } from '../../src/core/keys/key-state.ts';
import {
  addTo,
  apply,
  type Changes,
  clear,
  fold,
  isEmpty,
  type KeyChange,
  noChanges,
  takeOneOff,
} from '../../src/state/changes.ts';
import { newState, type State } from '../../src/state/schema.ts';

type Step =
  | { readonly do: 'add' | 'takeOneOff' | 'clear'; readonly label: string; readonly counter: Counter; readonly by: number }
  | { readonly do: 'cooldown' | 'block' | 'use'; readonly label: string; readonly at: number | null }
  | { readonly do: 'activate'; readonly index: number }
  | { readonly do: 'rotate'; readonly index: number }
  | { readonly do: 'refresh'; readonly index: number }
  | { readonly do: 'move'; readonly tokens: number }
  | { readonly do: 'autoRotate'; readonly on: boolean };

const labels = fc.constantFrom('a', 'b', '__proto__');
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constantFrom('add', 'takeOneOff', 'clear'),
    label: labels,
    counter: fc.constantFrom<Counter>('requests', 'errors401', 'errors403', 'errors429', 'errors5xx'),
    by: fc.nat(3),
  }),
  fc.record({ do: fc.constantFrom('cooldown', 'block', 'use'), label: labels, at: fc.option(fc.nat(100)) }),
  fc.record({ do: fc.constant('activate' as const), index: fc.nat(5) }),
  fc.record({ do: fc.constant('rotate' as const), index: fc.nat(5) }),
  fc.record({ do: fc.constant('refresh' as const), index: fc.nat(5) }),
  fc.record({ do: fc.constant('move' as const), tokens: fc.nat(100_000) }),
  fc.record({ do: fc.constant('autoRotate' as const), on: fc.boolean() }),
);

function changesOf(step: Step): Changes {
  if (step.do === 'activate') return { keys: new Map(), activeKey: { label: `k${step.index}`, index: step.index } };
  if (step.do === 'rotate') return { keys: new Map(), rotationIndex: step.index };
  if (step.do === 'refresh') return { keys: new Map(), lastHealthRefresh: step.index };
  if (step.do === 'move') return { keys: new Map(), sessionMoves: { count: 1, tokens: step.tokens } };
  if (step.do === 'autoRotate') return { keys: new Map(), autoRotate: step.on };
  const change: KeyChange = {};
  if (step.do === 'add') addTo(change, step.counter, step.by);
  else if (step.do === 'takeOneOff') takeOneOff(change, step.counter);
  else if (step.do === 'clear') clear(change, step.counter);
  else if (step.do === 'cooldown') change.cooldown = step.at === null ? null : { until: step.at, reason: 'quota' };
  else if (step.do === 'block') change.block = step.at === null ? null : { until: step.at, reason: 'auth' };
  else if (step.do === 'use') change.lastUsed = step.at ?? 0;
  return { keys: new Map([[step.label, change]]) };
}

/** What the step does to a state, told plainly: the law that `fold` and `apply` have to keep. */
function perform(state: State, step: Step): void {
  if (step.do === 'activate') Object.assign(state, { activeKey: `k${step.index}`, activeIndex: step.index });
  else if (step.do === 'rotate') state.rotationIndex = step.index;
  else if (step.do === 'refresh') state.lastHealthRefresh = Math.max(state.lastHealthRefresh ?? 0, step.index);
  else if (step.do === 'move') {
    const { count, tokens } = state.sessionMoves;
    state.sessionMoves = { count: count + 1, tokens: tokens + step.tokens };
  } else if (step.do === 'autoRotate') state.autoRotate = step.on;
  else {
    apply(state, { keys: new Map([[step.label, {}]]) });
    const key = state.keys.get(step.label);
    if (key === undefined) throw new Error('no entry');
    if (step.do === 'add') key[step.counter] += step.by;
    else if (step.do === 'takeOneOff') key[step.counter] = Math.max(key[step.counter] - 1, 0);
    else if (step.do === 'clear') key[step.counter] = 0;
    else if (step.do === 'cooldown') key.cooldown = step.at === null ? null : { until: step.at, reason: 'quota' };
    else if (step.do === 'block') key.block = step.at === null ? null : { until: step.at, reason: 'auth' };
    else if (step.do === 'use') key.lastUsed = Math.max(key.lastUsed ?? 0, step.at ?? 0);
  }
}

describe('changes of several writers', () => {
  it('give what the same steps give one by one, in the order of the saves', () => {
    const deeds = fc.array(fc.record({ writer: fc.constantFrom(0, 1), step: fc.option(steps, { freq: 4 }) }), { maxLength: 40 });
    fc.assert(
      fc.property(deeds, (all) => {
        const file = newState();
        const plain = newState();
        const pending = [noChanges(), noChanges()];
        const unsaved: Step[][] = [[], []];
        const save = (writer: number) => {
          apply(file, pending[writer] as Changes);
          for (const step of unsaved[writer] as Step[]) perform(plain, step);
          pending[writer] = noChanges();
          unsaved[writer] = [];
        };
        for (const { writer, step } of all) {
          if (step === null) save(writer);
          else {
            fold(pending[writer] as Changes, changesOf(step));
            (unsaved[writer] as Step[]).push(step);
          }
        }
        save(0);
        save(1);
        expect(file).toEqual(plain);
      }),
      { numRuns: 1500 },
    );
  });

  it('can be folded in any grouping', () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 12 }), fc.nat(12), (all, cut) => {
        const whole = noChanges();
        for (const step of all) fold(whole, changesOf(step));
        const [head, tail] = [noChanges(), noChanges()];
        for (const [n, step] of all.entries()) fold(n < cut ? head : tail, changesOf(step));
        fold(head, tail);
        const [one, other] = [newState(), newState()];
        apply(one, whole);
        apply(other, head);
        expect(other).toEqual(one);
      }),
    );
  });

  it('belong to their writer: what was folded in does not change with the source', () => {
    const mine = noChanges();
    const change: KeyChange = {};
    addTo(change, 'requests', 1);
    const source: Changes = { keys: new Map([['a', change]]) };
    fold(mine, source);
    fold(mine, source);
    expect(source.keys.get('a')).toEqual({ shifts: { requests: { add: 1, floor: 0 } } });
    const state = newState();
    apply(state, mine);
    expect(state.keys.get('a')?.requests).toBe(2);
  });

  it('never leave a counter below zero, nor forget what came after a clearing', () => {
    const state = newState();
    const change: KeyChange = {};
    takeOneOff(change, 'errors403');
    clear(change, 'errors401');
    addTo(change, 'errors401', 2);
    apply(state, { keys: new Map([['a', change]]) });
    expect(state.keys.get('a')).toMatchObject({ errors403: 0, errors401: 2 });
  });

  it('are empty until something was done', () => {
    expect(isEmpty(noChanges())).toBe(true);
    for (const some of [{ keys: new Map([['a', {}]]) }, { keys: new Map(), autoRotate: false }])
      expect(isEmpty(some)).toBe(false);
  });
});
