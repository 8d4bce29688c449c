import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isReady } from '../../../src/core/choosing/eligibility.ts';
import { pickManual } from '../../../src/core/choosing/manual-rotation.ts';
import { aCandidate, type CandidateOptions, NOW } from '../candidates.ts';

function choose(all: readonly CandidateOptions[], activeIndex: number, rotateOnTie = true) {
  const candidates = all.map((one, n) => aCandidate('abcdefgh'[n] as string, one));
  const choice = pickManual(candidates, activeIndex, { now: NOW, rotateOnTie });
  if (choice.candidate === null) return { none: choice.skipped.map(({ label, reason }) => `${label}:${reason}`) };
  const { candidate, moved, reason, rival } = choice;
  return { to: candidate.key.label, moved, reason, rival: rival?.key.label ?? null };
}

const full: CandidateOptions = { share: 1 };
const half: CandidateOptions = { share: 0.5 };
const low: CandidateOptions = { share: 0.1 };
const unknown: CandidateOptions = {};
const blocked: CandidateOptions = { share: 1, state: { block: { until: null, reason: 'auth' } } };
const failing = (errors429: number, requests = 100): CandidateOptions => ({
  share: 1,
  state: { errors429, requests, failedAt: NOW },
});

describe('manual rotation', () => {
  it('moves to the better status', () => {
    const reason = { kind: 'better_status', status: 'healthy', other: 'warn' };
    expect(choose([low, half], 0)).toEqual({ to: 'b', moved: true, reason, rival: 'a' });
  });

  it('moves to more quota', () => {
    const reason = { kind: 'more_quota', share: 1, other: 0.5 };
    expect(choose([half, full], 0)).toEqual({ to: 'b', moved: true, reason, rival: 'a' });
  });

  it('moves from an unknown quota to a known one', () => {
    const reason = { kind: 'more_quota', share: 0.1, other: null };
    expect(choose([unknown, low], 0)).toEqual({ to: 'b', moved: true, reason, rival: 'a' });
  });

  it('moves to the lower error rate', () => {
    const reason = { kind: 'lower_error_rate', rate: 0.01, other: 0.02 };
    expect(choose([failing(2), failing(1)], 0)).toEqual({ to: 'b', moved: true, reason, rival: 'a' });
  });

  it.each<[string, CandidateOptions[], unknown]>([
    ['a better status', [low, half], { kind: 'better_status', status: 'healthy', other: 'warn' }],
    ['more quota', [half, full], { kind: 'more_quota', share: 1, other: 0.5 }],
    ['a lower error rate', [failing(2), failing(1)], { kind: 'lower_error_rate', rate: 0.01, other: 0.02 }],
  ])('stays with the current key for %s, and names the runner-up', (_, all, reason) => {
    for (const rotateOnTie of [true, false])
      expect(choose(all, 1, rotateOnTie)).toEqual({ to: 'b', moved: false, reason, rival: 'a' });
  });

  it('moves on among equals, in order and round the end, passing over the lesser', () => {
    const reason = { kind: 'tie_moved', tied: 3 };
    const all = [full, half, full, full];
    expect([0, 2, 3].map((active) => choose(all, active))).toEqual([
      { to: 'c', moved: true, reason, rival: 'a' },
      { to: 'd', moved: true, reason, rival: 'c' },
      { to: 'a', moved: true, reason, rival: 'd' },
    ]);
  });

  it('stays among equals when ties are not to rotate', () => {
    expect(choose([full, full, half], 1, false)).toEqual({
      to: 'b',
      moved: false,
      reason: { kind: 'tie_stayed', tied: 2 },
      rival: 'a',
    });
  });

  it('moves from a lesser key to the first of the best when these are equal', () => {
    expect(choose([half, full, full], 0)).toEqual({
      to: 'b',
      moved: true,
      reason: { kind: 'more_quota', share: 1, other: 0.5 },
      rival: 'a',
    });
  });

  it('says so when only one key is eligible, be it the current one or not', () => {
    const reason = { kind: 'only_eligible' };
    expect(choose([full, blocked], 0)).toEqual({ to: 'a', moved: false, reason, rival: null });
    expect(choose([blocked, full], 0)).toEqual({ to: 'b', moved: true, reason, rival: null });
  });

  it('compares the winner with the runner-up when the current key cannot serve', () => {
    expect(choose([blocked, half, full], 0)).toEqual({
      to: 'c',
      moved: true,
      reason: { kind: 'more_quota', share: 1, other: 0.5 },
      rival: 'b',
    });
    const tie = { to: 'b', moved: true, reason: { kind: 'tie_moved', tied: 2 }, rival: 'c' };
    expect([choose([blocked, full, full], 0), choose([blocked, full, full], 0, false)]).toEqual([tie, tie]);
  });

  it('does not mind an active index that names no key', () => {
    for (const active of [-1, 7, Number.NaN]) expect(choose([full], active)).toMatchObject({ to: 'a', moved: true });
  });

  it('finds nobody when none is eligible, and says of each why', () => {
    const onCooldown: CandidateOptions = { state: { cooldown: { until: NOW + 1, reason: 'upstream' } } };
    expect(choose([blocked, { disabled: true }, { share: 0 }, onCooldown], 0)).toEqual({
      none: ['a:auth', 'b:disabled', 'c:empty', 'd:upstream'],
    });
    expect(choose([], 0)).toEqual({ none: [] });
  });

  it('never chooses an ineligible key, never a lesser one, and gives every other key its turn among equals', () => {
    const anyKey = fc.record({
      share: fc.constantFrom(0, 0.1, 0.5, 1, null),
      disabled: fc.constantFrom(false, false, false, true),
      state: fc.record({
        errors429: fc.constantFrom(0, 1),
        requests: fc.constant(10),
        failedAt: fc.constant(NOW),
        errors401: fc.constantFrom(0, 0, 0, 1),
      }),
    });
    fc.assert(
      fc.property(fc.array(anyKey, { minLength: 1, maxLength: 6 }), fc.nat(5), (all, active) => {
        const candidates = all.map((one, n) => aCandidate(`k${n}`, one));
        const eligible = candidates.filter((candidate) => isReady(candidate, NOW));
        const visited = new Set<number>();
        let index = active;
        for (let n = 0; n <= all.length; n++) {
          const choice = pickManual(candidates, index, { now: NOW, rotateOnTie: true });
          if (choice.candidate === null) {
            expect(eligible).toEqual([]);
            return;
          }
          expect(eligible).toContain(choice.candidate);
          expect(choice.moved).toBe(choice.index !== index);
          const share = choice.candidate.health?.usage?.remainingShare ?? -1;
          const others = eligible.filter(({ state }) => state.errors429 === choice.candidate.state.errors429);
          for (const other of others) expect(share).toBeGreaterThanOrEqual(other.health?.usage?.remainingShare ?? -1);
          index = choice.index;
          visited.add(index);
        }
        const best = pickManual(candidates, index, { now: NOW, rotateOnTie: false });
        if (best.candidate !== null && best.reason.kind === 'tie_stayed') expect(visited.size).toBe(best.reason.tied);
      }),
    );
  });
});
