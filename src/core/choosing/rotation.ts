import type { AccountSkip } from './account-pool.ts';
import { type Choice, type ChoiceReason, NO_SKIPS, notChosen, unbound } from './choice.ts';
import { type Candidate, eligibilityOf, type SkipReason } from './eligibility.ts';

export type Skip = {
  readonly label: string;
  readonly reason: SkipReason;
  /** Epoch ms of the return, when known. */
  readonly until: number | null;
};

export type PickOptions<C extends Candidate> = {
  readonly now: number;
  /** Only keys with a good cached `/usages`. */
  readonly requireUsage: boolean;
  /** When no key can serve, drop the conditions that depend on health readings. */
  readonly failOpen: boolean;
  /** Keys this request has already tried. */
  readonly tried: ReadonlySet<C>;
  /** ms until the key's own rate limit lets a request pass; 0 for now. */
  readonly limitWaitMs: (candidate: C) => number;
  /** Whether the candidate's account has as many requests in flight as it may; absent or null: no limit is known. */
  readonly isBusy?: ((candidate: C) => boolean) | null;
};

/** The one enabled key of a pool of one, unless it was tried or its own rate limit holds it; else no choice. */
export function pickLone<C extends Candidate>(
  candidates: readonly C[],
  enabled: readonly C[],
  options: PickOptions<C>,
): Choice<C> | null {
  const [only] = enabled;
  if (enabled.length !== 1 || only === undefined || options.tried.has(only) || options.limitWaitMs(only) > 0) return null;
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

type Stage = 'strict' | 'fail_open' | 'reserve';

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
  const strict = walk(candidates, from, 'strict', options);
  if (strict.found !== -1) return chosen(candidates, strict, usual);
  // Each further stage relaxes one condition; they are reached only when nobody qualified, so a second walk is rare.
  if (options.failOpen && options.requireUsage) {
    const open = walk(candidates, from, 'fail_open', options);
    if (open.found !== -1) return chosen(candidates, open, 'fail_open');
  }
  const reserve = walk(candidates, from, 'reserve', options);
  if (reserve.found !== -1) return chosen(candidates, reserve, 'reserve');
  return notChosen(strict.skipped);
}

type Walk = { readonly found: number; readonly skipped: readonly AccountSkip[] };

function walk<C extends Candidate>(candidates: readonly C[], from: number, stage: Stage, options: PickOptions<C>): Walk {
  let skipped: Skip[] | null = null;
  const start = wrap(from, candidates.length);
  const usageMatters = options.requireUsage && !(stage !== 'strict' && options.failOpen && !anyUsage(candidates));
  for (let step = 0; step < candidates.length; step++) {
    const index = start + step < candidates.length ? start + step : start + step - candidates.length;
    const candidate = candidates[index] as C;
    const skip = whyNot(candidate, stage, usageMatters, options);
    if (skip === null) return { found: index, skipped: skipped ?? NO_SKIPS };
    skipped ??= [];
    skipped.push(skip);
  }
  return { found: -1, skipped: skipped ?? NO_SKIPS };
}

function whyNot<C extends Candidate>(candidate: C, stage: Stage, usageMatters: boolean, options: PickOptions<C>): Skip | null {
  const { label } = candidate.key;
  const eligibility = eligibilityOf(candidate, options.now);
  if (options.tried.has(candidate)) return { label, reason: 'tried', until: null };
  if (eligibility.is === 'out' || (eligibility.is === 'reserve' && stage !== 'reserve')) {
    return { label, reason: eligibility.reason, until: eligibility.until };
  }
  if (eligibility.is === 'reserve' && eligibility.reason === 'empty' && !options.failOpen)
    return { label, reason: 'empty', until: null };
  if (options.isBusy?.(candidate) === true) return { label, reason: 'busy', until: null };
  const limitWaitMs = options.limitWaitMs(candidate);
  if (limitWaitMs > 0) return { label, reason: 'key_rate_limit', until: options.now + limitWaitMs };
  if (usageMatters && (candidate.health?.usage ?? null) === null) return { label, reason: 'no_usage', until: null };
  return null;
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
