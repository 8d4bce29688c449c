import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Config } from '../config/settings.ts';
import type { Clock } from '../core/time.ts';
import { KnownPlaces } from '../core/top-level-member.ts';
import { stampPerSecond } from '../core/zoned-time.ts';
import { Afterwards } from './afterwards.ts';
import type { KeyPool } from './key-pool.ts';
import type { LoopGuard } from './loop-guard.ts';
import { UnpackingTurns } from './packed-text.ts';
import type { DryRunPort, LedgerPort, LogPort, TracePort, UsagePort } from './ports.ts';
import type { BodyLimits } from './request-body.ts';
import { UpstreamTargets } from './upstream-targets.ts';
import type { Upstreams } from './upstreams.ts';
import type { WaitingRooms } from './waiting-rooms.ts';

export type ForwardingParts = {
  readonly config: Config;
  readonly pool: KeyPool;
  readonly upstreams: Upstreams;
  readonly waitingRooms: WaitingRooms;
  readonly loops: LoopGuard;
  /** Answers instead of the upstream; null when requests are sent. */
  readonly dryRun: DryRunPort | null;
  readonly ledger: LedgerPort;
  readonly trace: TracePort;
  readonly usage: UsagePort;
  readonly log: LogPort;
  readonly clock: Clock;
};

/** Answers a request that the proxy cannot serve. */
export type Refuse = (request: IncomingMessage, response: ServerResponse, error: unknown) => void;

/** What all requests share. */
export type Line = ForwardingParts & {
  readonly refuse: Refuse;
  readonly limits: BodyLimits;
  readonly stamp: (epochMs: number) => string;
  readonly targets: UpstreamTargets;
  readonly places: KnownPlaces;
  readonly afterwards: Afterwards;
  readonly unpackingTurns: UnpackingTurns;
};

const MB = 1024 * 1024;

export function lineOf(parts: ForwardingParts, refuse: Refuse): Line {
  const { dryRun, config } = parts;
  return {
    ...parts,
    refuse,
    limits: {
      maxBytes: config.proxyMaxBodyMb * MB,
      // In dry-run the body is read here, all of it.
      replayMaxBytes: (dryRun === null ? config.proxyReplayMaxMb : config.proxyMaxBodyMb) * MB,
      heldByAll: { bytes: 0 },
    },
    stamp: stampPerSecond(config.timezone),
    targets: new UpstreamTargets(),
    places: new KnownPlaces(),
    afterwards: new Afterwards(),
    unpackingTurns: new UnpackingTurns(),
  };
}
