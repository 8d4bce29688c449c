import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Config } from '../../config/settings.ts';
import type { Limits } from '../../core/failover/next-step.ts';
import type { KnownPlaces } from '../../core/json/top-level-member.ts';
import type { Clock } from '../../core/text/time.ts';
import type { KeyPool } from '../pool/key-pool.ts';
import { WaitQueues } from '../pool/wait-queues.ts';
import type { DryRunPort } from '../ports.ts';
import type { Recorder } from '../record/recorder.ts';
import type { LoopGuard } from '../upstream/loop-guard.ts';
import { UpstreamTargets } from '../upstream/upstream-targets.ts';
import type { Upstreams } from '../upstream/upstreams.ts';
import type { Timeouts } from './attempt.ts';
import { UnpackingTurns } from './packed-text.ts';
import type { BodyLimits } from './request-body.ts';

/** What the server gives to all requests. */
export type ExchangeMakings = {
  readonly config: Config;
  readonly pool: KeyPool;
  readonly upstreams: Upstreams;
  readonly loops: LoopGuard;
  readonly recorder: Recorder;
  readonly places: KnownPlaces;
  readonly clock: Clock;
  /** Null when requests are sent. */
  readonly dryRun: DryRunPort | null;
  /** Answers a request on which the proxy itself failed. */
  readonly refuse: (request: IncomingMessage, response: ServerResponse, error: unknown) => void;
};

/** What all requests share. */
export type ExchangeParts = ExchangeMakings & {
  readonly waitQueues: WaitQueues;
  readonly targets: UpstreamTargets;
  readonly bodyLimits: BodyLimits;
  readonly unpackingTurns: UnpackingTurns;
  readonly timeouts: Timeouts;
  /** While the body can be sent again, and once it cannot. */
  readonly failoverLimits: { readonly held: Limits; readonly streamed: Limits };
};

const MB = 1024 * 1024;

export function shareExchangeParts(makings: ExchangeMakings): ExchangeParts {
  const { proxyMaxBodyMb, proxyReplayMaxMb, proxyFailoverMax, proxyRetryMax, proxyRetryBaseMs } = makings.config;
  const limits = { failoverMax: proxyFailoverMax, retryMax: proxyRetryMax, retryBaseMs: proxyRetryBaseMs };
  // In dry-run the body is read here, all of it.
  const replayMaxMb = makings.dryRun === null ? proxyReplayMaxMb : proxyMaxBodyMb;
  return {
    ...makings,
    waitQueues: new WaitQueues(makings.pool),
    targets: new UpstreamTargets(),
    bodyLimits: { maxBytes: proxyMaxBodyMb * MB, replayMaxBytes: replayMaxMb * MB, heldByAll: { bytes: 0 } },
    unpackingTurns: new UnpackingTurns(),
    timeouts: {
      firstByteMs: makings.config.proxyFirstByteTimeoutSeconds * 1000,
      idleMs: makings.config.proxyIdleTimeoutSeconds * 1000,
    },
    failoverLimits: { held: { ...limits, canReplay: true }, streamed: { ...limits, canReplay: false } },
  };
}
