import type { Clock } from '../text/time.ts';

/**
 * Requests let through in each second and each minute: token buckets that start full and refill evenly, so that a
 * burst up to the limit passes at once. A limit of 0 is none.
 */
export class RateLimit {
  readonly #buckets: readonly Bucket[];
  readonly #clock: Clock;

  constructor(limits: { readonly perSecond: number; readonly perMinute: number }, clock: Clock) {
    this.#clock = clock;
    const now = clock();
    this.#buckets = [newBucket(limits.perSecond, 1000, now), newBucket(limits.perMinute, 60_000, now)].filter(
      (bucket) => bucket !== null,
    );
  }

  get isOff(): boolean {
    return this.#buckets.length === 0;
  }

  /** ms until a request may pass; 0 when one may now. Takes nothing. */
  waitMs(): number {
    if (this.isOff) return 0;
    const now = this.#clock();
    let wait = 0;
    for (const bucket of this.#buckets) {
      refill(bucket, now);
      if (bucket.tokens < 1) wait = Math.max(wait, Math.ceil((1 - bucket.tokens) * bucket.msPerToken));
    }
    return wait;
  }

  /** Takes one request's worth. Only after `waitMs()` was 0. */
  take(): void {
    for (const bucket of this.#buckets) bucket.tokens -= 1;
  }
}

type Bucket = { tokens: number; refilledAt: number; readonly capacity: number; readonly msPerToken: number };

function newBucket(limit: number, windowMs: number, now: number): Bucket | null {
  return limit <= 0 ? null : { tokens: limit, refilledAt: now, capacity: limit, msPerToken: windowMs / limit };
}

function refill(bucket: Bucket, now: number): void {
  // A clock set back earns nothing and costs nothing.
  const elapsed = Math.max(now - bucket.refilledAt, 0);
  bucket.tokens = Math.min(bucket.capacity, bucket.tokens + elapsed / bucket.msPerToken);
  bucket.refilledAt = now;
}
