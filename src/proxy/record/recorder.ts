import type { IncomingMessage } from 'node:http';
import type { Config } from '../../config/settings.ts';
import type { KnownPlaces } from '../../core/json/top-level-member.ts';
import { findNamedSession, formatSession } from '../../core/sessions/session.ts';
import { headerOf } from '../../core/text/raw-headers.ts';
import type { Clock } from '../../core/text/time.ts';
import { stampPerSecond } from '../../core/text/zoned-time.ts';
import type { TokenUsage } from '../../core/tokens/token-usage.ts';
import type { FailureRun } from '../../core/verdicts/upstream-failure.ts';
import { reasonOf } from '../../errors.ts';
import type { AnswerSink } from '../http/answer.ts';
import { UpstreamSilence } from '../http/interruptions.ts';
import type { Route } from '../http/route.ts';
import type { Affinity } from '../pool/affinity.ts';
import type { AffinityStore } from '../pool/affinity-store.ts';
import type { PoolEntry } from '../pool/pool-entry.ts';
import type { LedgerPort, LogPort, TracePort, UsagePort } from '../ports.ts';
import type { DeferredTask, DeferredWork } from './deferred-work.ts';
import type { ExchangeResult } from './exchange-result.ts';
import { FailureCounter } from './failure-run.ts';
import { HoldingsSink, madeBy, mayNameHoldings, noteHoldings } from './file-answers.ts';
import { nextRequestId } from './request-id.ts';
import { summarisePrompt } from './request-summary.ts';
import { traceOf } from './request-trace.ts';
import { TappedSink } from './tapped-sink.ts';
import type { AnswerUsage } from './usage-tap.ts';

export type RecorderParts = {
  readonly config: Config;
  /** Is told what each account has read of a session, and which files it holds. */
  readonly affinityStore: Pick<AffinityStore, 'used' | 'holds'>;
  readonly ledger: LedgerPort;
  readonly trace: TracePort;
  readonly usage: UsagePort;
  readonly log: LogPort;
  readonly clock: Clock;
  readonly deferred: DeferredWork;
  /** Where bodies name their session. */
  readonly places: KnownPlaces;
  readonly isDryRun: boolean;
};

/** What a record reads of a request's body. */
export type RecordedBody = {
  /** Bytes that came. */
  readonly received: number;
  /** The text, as far as it is held and can be read. */
  readonly held: readonly Buffer[];
  /** When the text was compressed: resolves once it has been unpacked, and never rejects. Else null. */
  readonly unpacked: (() => Promise<void>) | null;
};

type Shared = RecorderParts & {
  readonly stamp: (epochMs: number) => string;
  readonly failures: FailureCounter;
};

const NO_PROMPT = { hint: '', head: '' };

/** Writes down what the proxy carries: token books, uploads, the trace. */
export class Recorder {
  readonly #shared: Shared;

  constructor(parts: RecorderParts) {
    this.#shared = {
      ...parts,
      stamp: stampPerSecond(parts.config.timezone),
      failures: new FailureCounter(),
    };
  }

  /** The newest requests, when the upstream failed all of them. */
  get failureRun(): FailureRun | null {
    return this.#shared.failures.run;
  }

  /** A record of one request. Its answer goes through `sink` on its way to `relay`. */
  begin(request: IncomingMessage, route: Route, body: RecordedBody, relay: AnswerSink): RequestRecord {
    return new RequestRecord(this.#shared, request, route, body, relay);
  }

  /** Enters what is not in the books yet, before they are closed. */
  finish(): Promise<void> {
    return this.#shared.deferred.finish();
  }
}

/** Reads along with one request and its answer; writes it down when both are over. */
export class RequestRecord implements DeferredTask {
  /** Where the answer goes: on to the client, read as it passes when it states usage or names a file. */
  readonly sink: AnswerSink;
  readonly #shared: Shared;
  readonly #request: IncomingMessage;
  readonly #route: Route;
  readonly #body: RecordedBody;
  readonly #startedAt: number;
  /** Null where no answer states usage. */
  readonly #tapped: TappedSink | null;
  /** Null where no answer names a file or batch. */
  readonly #holdings: HoldingsSink | null;
  /** As the last choice of a key left it; where none was made, as the request found it. */
  #rotationIndex: number;
  #latencyMs = 0;
  #ended: { readonly result: ExchangeResult; readonly affinity: Affinity } | null = null;

  constructor(shared: Shared, request: IncomingMessage, route: Route, body: RecordedBody, relay: AnswerSink) {
    this.#shared = shared;
    this.#request = request;
    this.#route = route;
    this.#body = body;
    this.#startedAt = shared.clock();
    this.#rotationIndex = shared.ledger.rotationIndex;
    const isPost = request.method === 'POST';
    const protocol = isPost && !shared.isDryRun ? route.usageProtocol : null;
    this.#tapped = protocol === null ? null : new TappedSink(relay, protocol);
    this.#holdings = mayNameHoldings(request, route) ? new HoldingsSink(relay) : null;
    this.sink = this.#tapped ?? this.#holdings ?? relay;
  }

  /** A key was chosen just now. */
  chose(): void {
    this.#rotationIndex = this.#shared.ledger.rotationIndex;
  }

  /** An answer broke off after its head had gone out. */
  brokeOff({ key: { label } }: PoolEntry, error: Error): void {
    this.#shared.ledger.brokeOff(label, this.#shared.clock());
    this.#shared.log.warn('An answer broke off in the middle.', {
      key_label: label,
      reason: error instanceof UpstreamSilence ? 'silence' : 'connection lost',
    });
  }

  /** The request is over. Books and trace follow once the answers of this moment have gone. */
  ended(result: ExchangeResult, affinity: Affinity): void {
    if (this.#holdings !== null)
      noteHoldings(this.#shared.affinityStore, result, this.#holdings, madeBy(this.#request, this.#route));
    this.#latencyMs = this.#shared.clock() - this.#startedAt;
    this.#ended = { result, affinity };
    this.#shared.deferred.add(this, this.#body.received);
  }

  /** A request or an answer that was compressed is read aside and entered when that is done. */
  doDeferred(): void | Promise<void> {
    if (this.#ended === null) return;
    const { result, affinity } = this.#ended;
    this.#shared.failures.note(result, this.#startedAt + this.#latencyMs);
    const said = this.#tapped !== null && result.end.kind === 'served' ? this.#tapped.read() : null;
    const { unpacked } = this.#body;
    if (unpacked !== null) return Promise.all([said, unpacked()]).then(([read]) => this.#enter(result, affinity, read));
    if (said instanceof Promise) return said.then((read) => this.#enter(result, affinity, read));
    this.#enter(result, affinity, said);
  }

  #enter(result: ExchangeResult, affinity: Affinity, said: AnswerUsage | null): void {
    try {
      const session = said === null ? null : this.#sessionName(affinity);
      if (said !== null && result.entry !== null) this.#enterUsage(result.entry, affinity, said, session);
      this.#enterTrace(result, said?.usage ?? null, session);
    } catch (error) {
      this.#shared.log.error('A request could not be written down.', { reason: reasonOf(error) });
    }
  }

  #sessionName(affinity: Affinity): string | null {
    const session = affinity.hasLooked
      ? affinity.session
      : findNamedSession((name) => headerOf(this.#request.rawHeaders, name), this.#body.held, this.#shared.places);
    return session === null ? null : formatSession(session.id);
  }

  #enterUsage(entry: PoolEntry, affinity: Affinity, { model, usage }: AnswerUsage, session: string | null): void {
    if (usage !== null) this.#shared.affinityStore.used(affinity, entry, usage.input);
    const account = entry.state.account?.id ?? null;
    this.#shared.usage.record({ at: this.#startedAt, keyLabel: entry.key.label, account, model, session, usage });
  }

  #enterTrace(result: ExchangeResult, usage: TokenUsage | null, session: string | null): void {
    const { config, trace, stamp } = this.#shared;
    const { method = 'GET' } = this.#request;
    const facts = {
      ts: stamp(this.#startedAt),
      requestId: nextRequestId(),
      method,
      endpoint: this.#route.traced,
      latencyMs: this.#latencyMs,
      rotationIndex: this.#rotationIndex,
      prompt: config.tracePrompts && method === 'POST' ? summarisePrompt(this.#body.held) : NO_PROMPT,
      usage,
      session,
      dryRun: this.#shared.isDryRun,
    };
    trace.record(traceOf(facts, result));
  }
}
