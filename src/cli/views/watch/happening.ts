import { type Candidate, eligibilityOf } from '../../../core/choosing/eligibility.ts';
import type { Eligibility, UnreadyReason } from '../../../core/keys/key-status.ts';
import { isBroken, isFailover, type TraceEvent, type TriedKey, timeOfEvent } from '../../../core/trace/trace-event.ts';

/** What a person at the screen wants to be told beside the requests. `at`: epoch ms. */
export type Happening = { readonly at: number } & (
  | { readonly kind: 'failover'; readonly tried: readonly TriedKey[]; readonly to: string; readonly status: number }
  | { readonly kind: 'broken'; readonly key: string }
  | { readonly kind: 'unserved'; readonly status: number }
  | { readonly kind: 'out'; readonly key: string; readonly reason: UnreadyReason; readonly until: number | null }
  | { readonly kind: 'back'; readonly key: string }
  | { readonly kind: 'come'; readonly key: string }
  | { readonly kind: 'gone'; readonly key: string }
  | { readonly kind: 'active'; readonly key: string }
  | { readonly kind: 'rotation'; readonly rotation: string | null }
  | { readonly kind: 'started'; readonly pid: number }
  | { readonly kind: 'restarted'; readonly pid: number }
  | { readonly kind: 'stopped' }
);

/** What happened to a request; null for one that went as usual. */
export function happeningOf(event: TraceEvent): Happening | null {
  const at = (timeOfEvent(event) ?? 0) + event.latency_ms;
  const { key_label: key, status, tried = [] } = event;
  if (isBroken(event)) return { at, kind: 'broken', key };
  if (isFailover(event)) return { at, kind: 'failover', tried, to: key, status };
  return key === '' && status >= 500 ? { at, kind: 'unserved', status } : null;
}

/** The keys, the rotation and the proxy at one moment. */
export type Scene = {
  readonly now: number;
  readonly candidates: readonly Candidate[];
  /** Label of the active key; null without keys. */
  readonly active: string | null;
  /** The strategy; null: manual. */
  readonly rotation: string | null;
  /** Of the running proxy; null: none runs. */
  readonly pid: number | null;
};

/** What happened from one moment to the next. */
export function happeningsBetween(before: Scene, after: Scene): readonly Happening[] {
  return [...ofProxy(before, after), ...ofKeys(before, after), ...ofRotation(before, after)];
}

function ofProxy({ pid: before }: Scene, { pid, now: at }: Scene): readonly Happening[] {
  if (before === pid) return [];
  if (pid === null) return [{ at, kind: 'stopped' }];
  return [{ at, kind: before === null ? 'started' : 'restarted', pid }];
}

function ofKeys(before: Scene, after: Scene): readonly Happening[] {
  const { now: at } = after;
  const known = new Map(before.candidates.map((candidate) => [candidate.key.label, eligibilityOf(candidate, before.now)]));
  const labels = new Set(after.candidates.map(({ key }) => key.label));
  const gone = [...known.keys()].filter((key) => !labels.has(key)).map((key): Happening => ({ at, kind: 'gone', key }));
  const changed = after.candidates.flatMap((candidate): Happening[] => {
    const { label: key } = candidate.key;
    const was = known.get(key);
    if (was === undefined) return [{ at, kind: 'come', key }];
    const is = eligibilityOf(candidate, at);
    if (isSame(was, is)) return [];
    return [is.is === 'ready' ? { at, kind: 'back', key } : { at, kind: 'out', key, reason: is.reason, until: is.until }];
  });
  return [...gone, ...changed];
}

/** A cooldown that is made longer is the same one; a request that finds out whether it is over changes nothing yet. */
function isSame(was: Eligibility, is: Eligibility): boolean {
  if (was.is === 'ready' || is.is === 'ready') return was.is === is.is;
  return was.reason === is.reason || is.reason === 'probing';
}

function ofRotation(before: Scene, after: Scene): readonly Happening[] {
  const { now: at, active, rotation } = after;
  const happenings: Happening[] = [];
  if (before.rotation !== rotation) happenings.push({ at, kind: 'rotation', rotation });
  if (before.active !== active && active !== null && before.candidates.length > 0)
    happenings.push({ at, kind: 'active', key: active });
  return happenings;
}
