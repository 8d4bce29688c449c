import { type Candidate, eligibilityOf, type SkipReason } from './eligibility.ts';

export type Skip = {
  readonly label: string;
  readonly reason: SkipReason;
  /** Epoch ms of the return, when known. */
  readonly until: number | null;
};

/**
 * `fail_open`: nobody's quota is known, though it should be; `reserve`: nobody was ready, so a resting key gets a try; `lone_key`: the
 * only key there is, which is asked whatever is known of it, so that the client sees the upstream's own error.
 */
export type ChoiceReason = 'round_robin' | 'active' | 'next_after_active' | 'fail_open' | 'reserve' | 'lone_key';

/** The answer of a choice, with its reasons. `index` is the place in the candidates. */
export type Choice<C extends Candidate> =
  | { readonly candidate: C; readonly index: number; readonly why: ChoiceReason; readonly skipped: readonly Skip[] }
  | {
      readonly candidate: null;
      readonly skipped: readonly Skip[];
      /** Epoch ms of the earliest known return. */
      readonly returnsAt: number | null;
    };

export type PickOptions<C extends Candidate> = {
  readonly now: number;
  /** Only keys with a good cached `/usages`. */
  readonly requireUsage: boolean;
  /** When nobody qualifies, drop the conditions that rest on health readings. */
  readonly failOpen: boolean;
  /** Keys this request has already tried. */
  readonly tried: ReadonlySet<C>;
  /** ms until the key's own rate limit lets a request pass; 0 for now. */
  readonly limitWaitMs: (candidate: C) => number;
  /** Whether the candidate's account has as many requests in flight as it may; absent or null: no limit is known. */
  readonly isBusy?: ((candidate: C) => boolean) | null;
};

/**
 * Round-robin: from `position`, the first key that is eligible. Low quota and errors of the past pass nobody over: a key that
 * can serve takes its turn. One step in the usual case.
 */
export function pickRoundRobin<C extends Candidate>(
  candidates: readonly C[],
  position: number,
  options: PickOptions<C>,
): Choice<C> {
  return pick(candidates, position, 'round_robin', options);
}

/** The one enabled key of a pool of one, unless it was tried or its own rate limit holds it; else no choice. */
export function pickLone<C extends Candidate>(candidates: readonly C[], options: PickOptions<C>): Choice<C> | null {
  const enabled = candidates.filter((candidate) => !candidate.key.disabled);
  const [only] = enabled;
  if (enabled.length !== 1 || only === undefined || options.tried.has(only) || options.limitWaitMs(only) > 0) return null;
  return { candidate: only, index: candidates.indexOf(only), why: 'lone_key', skipped: NO_SKIPS };
}

/** Manual mode: the active key while it can serve, else the next that can, in order. */
export function pickActive<C extends Candidate>(
  candidates: readonly C[],
  activeIndex: number,
  options: PickOptions<C>,
): Choice<C> {
  return pick(candidates, activeIndex, 'active', options);
}

type Stage = 'strict' | 'fail_open' | 'reserve';

function pick<C extends Candidate>(
  candidates: readonly C[],
  from: number,
  usual: 'round_robin' | 'active',
  options: PickOptions<C>,
): Choice<C> {
  const strict = walk(candidates, from, 'strict', options);
  if (strict.found !== -1) {
    const why = usual === 'active' && strict.found !== wrap(from, candidates.length) ? 'next_after_active' : usual;
    return chosen(candidates, strict, why);
  }
  // Each further stage relaxes one condition; they are reached only when nobody qualified, so a second walk is rare.
  if (options.failOpen && options.requireUsage) {
    const open = walk(candidates, from, 'fail_open', options);
    if (open.found !== -1) return chosen(candidates, open, 'fail_open');
  }
  const reserve = walk(candidates, from, 'reserve', options);
  if (reserve.found !== -1) return chosen(candidates, reserve, 'reserve');
  return { candidate: null, skipped: strict.skipped, returnsAt: earliest(strict.skipped) };
}

type Walk = { readonly found: number; readonly skipped: readonly Skip[] };

const NO_SKIPS: readonly Skip[] = Object.freeze([]);

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
  return { candidate: candidates[found] as C, index: found, why, skipped };
}

function wrap(index: number, length: number): number {
  return length === 0 ? 0 : ((index % length) + length) % length;
}

function earliest(skipped: readonly Skip[]): number | null {
  let earliestAt: number | null = null;
  for (const { until } of skipped) {
    if (until !== null && (earliestAt === null || until < earliestAt)) earliestAt = until;
  }
  return earliestAt;
}
