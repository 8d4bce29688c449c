import type { FastifyInstance } from 'fastify';
import { isLoopbackHost } from '../config/kinds.ts';
import type { Config } from '../config/settings.ts';
import { eligibilityOf, statusAt } from '../core/choosing/eligibility.ts';
import { modeOf } from '../core/clients/proxy-mode.ts';
import type { Clock } from '../core/text/time.ts';
import type { FailureRun } from '../core/verdicts/upstream-failure.ts';
import { VERSION } from '../version.ts';
import type { KeyPool } from './pool/key-pool.ts';

export type HealthzParts = {
  readonly config: Config;
  readonly pool: KeyPool;
  readonly clock: Clock;
  /** Requests under the base path so far. */
  readonly requests: () => number;
  /** The newest requests, when the upstream failed all of them. */
  readonly failures: () => FailureRun | null;
};

/**
 * `GET /healthz`: how a command, a script or a monitor proves that the listener is a kmi proxy, and learns what it does. No
 * token is asked for, so it holds no secret, no label and no path; and the upstream, which may be a host of somebody's own,
 * only where no other machine can ask.
 */
export function addHealthz(app: FastifyInstance, { config, pool, clock, requests, failures }: HealthzParts): void {
  const startedAt = performance.now();
  const isPrivate = isLoopbackHost(config.proxyListen.host) && !config.proxyTlsTerminated;
  app.get('/healthz', (_request, reply) => {
    reply.send({
      status: 'ok',
      name: 'kmi',
      version: VERSION,
      pid: process.pid,
      uptime_seconds: Math.floor((performance.now() - startedAt) / 1000),
      mode: modeOf(config),
      rotation: pool.rotation,
      ...(isPrivate ? { upstream: config.upstreamBaseUrl } : {}),
      requests: requests(),
      ...failing(failures(), isPrivate),
      keys: countKeys(pool, clock()),
      // Anybody may ask here, so no label.
      next_key_hash: pool.next()?.hash ?? null,
    });
  });
}

function failing(run: FailureRun | null, isPrivate: boolean) {
  if (run === null) return {};
  const { requests, failure, host, since } = run;
  return { failing: { requests, failure, since: new Date(since).toISOString(), ...(isPrivate ? { host } : {}) } };
}

type KeyCounts = { total: number; ready: number; cooldown: number; resting: number; out: number };

/** `resting` is what `cooldown` was called: a command of the version before takes an answer without it for a stranger's. */
function countKeys(pool: KeyPool, now: number): KeyCounts {
  const counts = { total: pool.entries.length, ready: 0, cooldown: 0, resting: 0, out: 0 };
  for (const entry of pool.entries) {
    const eligibility = eligibilityOf(entry, now);
    if (eligibility.is === 'ready') counts.ready += 1;
    else if (statusAt(entry, eligibility, now) === 'cooldown') counts.cooldown += 1;
    else counts.out += 1;
  }
  counts.resting = counts.cooldown;
  return counts;
}
