import { isLoginOver } from '../keys/key.ts';
import type { AccountSkip, Level } from './account-pool.ts';
import { type Choice, type ChoiceReason, NO_SKIPS, notChosen, unbound } from './choice.ts';
import type { Candidate } from './eligibility.ts';
import { type PickOptions, type Skip, whyNot } from './why-not.ts';

/** The one enabled key of a pool of one, unless it was tried, its own rate limit holds it or its login is over; else no choice. */
export function pickLone<C extends Candidate>(
  candidates: readonly C[],
  enabled: readonly C[],
  options: PickOptions<C>,
): Choice<C> | null {
  const [only] = enabled;
  if (enabled.length !== 1 || only === undefined || options.tried.has(only) || options.limitWaitMs(only) > 0) return null;
  if (isLoginOver(only.key, options.now)) return null;
  return unbound(only, candidates.indexOf(only), 'lone_key', NO_SKIPS);
}

/** Manual mode: the active key while it can serve, else the next that can, in order. */
export function pickActive<C extends Candidate>(
  candidates: readonly C[],
  activeIndex: number,
  options: PickOptions<C>,
): Choice<C> {
  const choice = pickInOrder(candidates, activeIndex, 'active', options);
  const isOther = 'why' in choice && choice.why === 'active' && choice.index !== wrap(activeIndex, candidates.length);
  return isOther ? { ...choice, why: 'next_after_active' } : choice;
}

/** Of one key after another, the wallet does not count: what is asked begins at `ready`. */
type OrderLevel = Exclude<Level, 'free'>;

/**
 * From the place `from`, the first key that is eligible. Low quota and errors of the past pass nobody over. One step in the
 * usual case.
 */
export function pickInOrder<C extends Candidate>(
  candidates: readonly C[],
  from: number,
  usual: ChoiceReason,
  options: PickOptions<C>,
): Choice<C> {
  const ready = walk(candidates, from, 'ready', options);
  if (ready.found !== -1) return chosen(candidates, ready, usual);
  // Each further level relaxes one condition; they are reached only when nobody qualified, so a second walk is rare.
  if (options.failOpen && options.requireUsage) {
    const open = walk(candidates, from, 'fail_open', options);
    if (open.found !== -1) return chosen(candidates, open, 'fail_open');
  }
  const reserve = walk(candidates, from, 'reserve', options);
  if (reserve.found !== -1) return chosen(candidates, reserve, 'reserve');
  return notChosen(ready.skipped);
}

type Walk = { readonly found: number; readonly skipped: readonly AccountSkip[] };

function walk<C extends Candidate>(candidates: readonly C[], from: number, level: OrderLevel, options: PickOptions<C>): Walk {
  let skipped: Skip[] | null = null;
  const start = wrap(from, candidates.length);
  const usageMatters = options.requireUsage && !(level !== 'ready' && options.failOpen && !anyUsage(candidates));
  for (let step = 0; step < candidates.length; step++) {
    const index = start + step < candidates.length ? start + step : start + step - candidates.length;
    const candidate = candidates[index] as C;
    const skip = whyNot(candidate, level === 'reserve', usageMatters, options.isBusy ?? null, options);
    if (skip === null) return { found: index, skipped: skipped ?? NO_SKIPS };
    skipped ??= [];
    skipped.push(skip);
  }
  return { found: -1, skipped: skipped ?? NO_SKIPS };
}

function anyUsage(candidates: readonly Candidate[]): boolean {
  return candidates.some((candidate) => (candidate.health?.usage ?? null) !== null);
}

function chosen<C extends Candidate>(candidates: readonly C[], { found, skipped }: Walk, why: ChoiceReason): Choice<C> {
  return unbound(candidates[found] as C, found, why, skipped);
}

function wrap(index: number, length: number): number {
  return length === 0 ? 0 : ((index % length) + length) % length;
}
