import type { TraceEvent } from '../../../core/trace/trace-event.ts';
import { KmiError, reasonOf } from '../../../errors.ts';
import { TraceFollower } from '../../../trace/follow.ts';
import { readLastEvents } from '../../../trace/trace-reader.ts';

export type FollowedTrace = {
  /** Those that were there, at most as many as were asked for; the newest last. */
  readonly earlier: readonly TraceEvent[];
  /** Those that came since the last call. */
  next(): Promise<readonly TraceEvent[]>;
  close(): Promise<void>;
};

/** What was there is told apart from what comes: the follower starts first, so that nothing falls between. */
export async function followTrace(path: string, count: number): Promise<FollowedTrace> {
  const follower = await readable(path, TraceFollower.open(path));
  const earlier = await readable(path, readLastEvents(path, count));
  const known = new Set(earlier.map(({ request_id }) => request_id));
  return {
    earlier,
    next: async () => (await readable(path, follower.next())).filter(({ request_id }) => !known.has(request_id)),
    close: () => follower.close(),
  };
}

/** Throws `state_unusable` for a trace that cannot be read. */
export async function readable<Value>(path: string, reading: Promise<Value>): Promise<Value> {
  try {
    return await reading;
  } catch (error) {
    throw new KmiError('state_unusable', `The trace ${path} cannot be read (${reasonOf(error)}).`, { cause: error });
  }
}
