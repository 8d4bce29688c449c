import type { Config } from '../../config/settings.ts';
import { RateLimit } from '../../core/choosing/rate-limit.ts';
import type { Clock } from '../../core/text/time.ts';
import { KmiError } from '../../errors.ts';

/** The whole-proxy rate limit: lets a request pass or throws `rate_limited`. Null when no limit is set. */
export function throttle(config: Config, clock: Clock): (() => void) | null {
  const limit = new RateLimit({ perSecond: config.proxyMaxRps, perMinute: config.proxyMaxRpm }, clock);
  if (limit.isOff) return null;
  return () => {
    const waitMs = limit.waitMs();
    if (waitMs > 0) {
      throw new KmiError('rate_limited', 'The proxy takes no more requests for the moment.', {
        retryAfterSeconds: Math.ceil(waitMs / 1000),
      });
    }
    limit.take();
  };
}
