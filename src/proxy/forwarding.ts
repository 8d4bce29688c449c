import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Config } from '../config/settings.ts';
import { redact } from '../core/redact.ts';
import { findNamedSession, formatSession, headersIn } from '../core/session.ts';
import type { Clock } from '../core/time.ts';
import { KnownPlaces } from '../core/top-level-member.ts';
import { stampPerSecond } from '../core/zoned-time.ts';
import { KmiError } from '../errors.ts';
import type { AttemptRequest } from './attempt.ts';
import { Departure } from './departure.ts';
import { type FailoverResult, runWithFailover } from './failover.ts';
import { type RequestHead, withCredential } from './headers.ts';
import { ClientLeft, UpstreamSilence } from './interruptions.ts';
import type { KeyPool, PoolEntry } from './key-pool.ts';
import { sendError, sendJson } from './own-answers.ts';
import type { LedgerPort, LogPort, TracePort, UsagePort } from './ports.ts';
import { Relay } from './relay.ts';
import { RequestBody } from './request-body.ts';
import { summarisePrompt } from './request-summary.ts';
import { traceOf } from './request-trace.ts';
import { TappedSink } from './tapped-sink.ts';
import { isAnthropic, type Target } from './target.ts';
import type { Upstreams } from './upstreams.ts';
import { usageProtocolOf } from './usage-tap.ts';
import type { WaitingRoom } from './waiting-room.ts';

export type ForwardingParts = {
  readonly config: Config;
  readonly pool: KeyPool;
  readonly upstreams: Upstreams;
  readonly waitingRoom: WaitingRoom;
  readonly ledger: LedgerPort;
  readonly trace: TracePort;
  readonly usage: UsagePort;
  readonly log: LogPort;
  readonly clock: Clock;
};

const MB = 1024 * 1024;
/** No room for a credential in it. */
const ORDINARY_ENDPOINT = /^\/[a-z/_]{0,40}$/;
const NO_PROMPT = { hint: '', head: '' };

/** Makes the function that takes an admitted request to the upstream and its answer back. */
export function createForwarding(
  parts: ForwardingParts,
): (request: IncomingMessage, response: ServerResponse, head: RequestHead, target: Target) => Promise<void> {
  const { config, clock } = parts;
  const limits = { maxBytes: config.proxyMaxBodyMb * MB, replayMaxBytes: config.proxyReplayMaxMb * MB, heldByAll: { bytes: 0 } };
  const stamp = stampPerSecond(config.timezone);
  const targets = new UpstreamTargets();
  const places = new KnownPlaces();

  return async (request, response, head, target) => {
    const startedAt = clock();
    const protocol = { anthropic: isAnthropic(target.endpoint) };
    const client = new Departure();
    const body = new RequestBody(request, head, limits);
    response.once('close', () => {
      body.release();
      if (response.writableFinished) return;
      body.abandon();
      client.leave();
    });
    const relay = new Relay(response, protocol);
    const usageProtocol = request.method === 'POST' && !config.dryRun ? usageProtocolOf(target.endpoint) : null;
    const tapped = usageProtocol === null ? null : new TappedSink(relay, usageProtocol);
    let result: FailoverResult;
    try {
      if (!body.isReady) await new Promise<void>((resolve) => body.whenReady(resolve));
      if (body.failure !== null) throw body.failure;
      if (config.dryRun) {
        result = answerDryRun(parts, request, response, target, targets);
      } else {
        const requestFor = (entry: PoolEntry) => upstreamRequest(entry, request.method ?? 'GET', target, head, body, targets);
        result = await runWithFailover(parts, { body, sink: tapped ?? relay, requestFor, client });
        finishAnswer(result, relay, response, parts);
      }
    } catch (error) {
      if (error instanceof ClientLeft) result = { entry: null, choice: null, failures: [], end: { kind: 'left' } };
      else throw error;
    }
    if (result.end.kind === 'no-key' || result.end.kind === 'unreachable') sendError(response, result.end.error, protocol);
    body.drop();

    const facts = {
      ts: stamp(startedAt),
      requestId: randomUUID(),
      method: request.method ?? 'GET',
      endpoint: ORDINARY_ENDPOINT.test(target.endpoint) ? target.endpoint : redact(target.endpoint, []),
      latencyMs: clock() - startedAt,
      rotationIndex: parts.ledger.store.state.rotationIndex,
      prompt: config.tracePrompts && request.method === 'POST' ? summarisePrompt(body.held) : NO_PROMPT,
    };
    if (tapped !== null && result.end.kind === 'served' && result.entry !== null) {
      const { model, usage } = await tapped.read();
      const session = findNamedSession(headersIn(request.rawHeaders), body.held, places);
      parts.usage.record({
        at: startedAt,
        keyLabel: result.entry.key.label,
        account: null,
        model,
        session: session === null ? null : formatSession(session.id),
        usage,
      });
    }
    const event = traceOf(facts, result);
    parts.trace.record(config.dryRun ? { ...event, dry_run: true } : event);
  };
}

function upstreamRequest(
  entry: PoolEntry,
  method: string,
  target: Target,
  head: RequestHead,
  body: RequestBody,
  targets: UpstreamTargets,
): AttemptRequest {
  const { origin, basePath } = targets.of(entry.key.baseUrl);
  const bytes = body.forAttempt();
  return {
    origin,
    path: `${basePath}${target.endpoint}${target.query}`,
    method,
    headers: withCredential(head, entry.key.value, bytes === null ? null : body.lengthToSend),
    body: bytes,
    headersTimeout: 0,
    bodyTimeout: 0,
  };
}

function finishAnswer(
  { entry, end }: FailoverResult,
  relay: Relay,
  response: ServerResponse,
  { ledger, log }: ForwardingParts,
): void {
  if (end.kind === 'relay') {
    const { status, reason, headers, body, isWhole } = end.answer;
    relay.whole(status, reason, headers, body, isWhole);
    return;
  }
  // A whole answer has been ended by the relay.
  if (end.kind !== 'served' || end.brokenBy === null) return;
  if (response.destroyed || end.brokenBy instanceof ClientLeft) return;
  // The request turned out too large while the answer was under way: the caller's fault.
  if (end.brokenBy instanceof KmiError) {
    relay.breakOff(end.brokenBy);
    return;
  }
  const silent = end.brokenBy instanceof UpstreamSilence;
  relay.breakOff(
    silent
      ? new KmiError('upstream_timeout', end.brokenBy.message)
      : new KmiError('upstream_unreachable', 'The upstream broke off in the middle of its answer.', {
          hint: 'Send the request again.',
        }),
  );
  if (entry !== null) {
    ledger.brokeOff(entry.key.label);
    log.warn('An answer broke off in the middle.', {
      key_label: entry.key.label,
      reason: silent ? 'silence' : 'connection lost',
    });
  }
}

/** Dry-run: a key is chosen, counted and traced as for a real request, and nothing is sent (kmi-manager.md section 7). */
function answerDryRun(
  { pool }: ForwardingParts,
  request: IncomingMessage,
  response: ServerResponse,
  target: Target,
  targets: UpstreamTargets,
): FailoverResult {
  const choice = pool.choose();
  const entry = choice.candidate;
  if (entry === null) {
    const error = new KmiError(pool.entries.length === 0 ? 'no_keys' : 'no_eligible_key', 'Dry-run: no key can serve now.');
    return { entry: null, choice, failures: [], end: { kind: 'no-key', error } };
  }
  const { origin, basePath } = targets.of(entry.key.baseUrl);
  const body = JSON.stringify({
    dry_run: true,
    upstream_url: `${origin}${basePath}${target.endpoint}${target.query}`,
    method: request.method,
    path: target.endpoint,
    key_label: entry.key.label,
  });
  sendJson(response, 200, body, ['X-KMI-Dry-Run', 'true']);
  pool.served(entry, []);
  return { entry, choice, failures: [], end: { kind: 'served', status: 200, brokenBy: null } };
}

/** Base URLs taken apart once each. */
class UpstreamTargets {
  readonly #known = new Map<string, { origin: string; basePath: string }>();

  of(baseUrl: string): { origin: string; basePath: string } {
    let target = this.#known.get(baseUrl);
    if (target === undefined) {
      const { origin, pathname } = new URL(baseUrl);
      target = { origin, basePath: pathname === '/' ? '' : pathname };
      this.#known.set(baseUrl, target);
    }
    return target;
  }
}
