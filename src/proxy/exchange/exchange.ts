import type { IncomingMessage, ServerResponse } from 'node:http';
import { type FailoverState, FRESH, nextStep, type Outcome, type Step } from '../../core/failover/next-step.ts';
import { ERRORS, KmiError } from '../../errors.ts';
import { ClientAbort } from '../http/client-abort.ts';
import { sendError } from '../http/error-responses.ts';
import type { RequestHead } from '../http/headers.ts';
import { ClientLeft } from '../http/interruptions.ts';
import type { Route } from '../http/route.ts';
import { acquireKey, NOT_ASKED, waitForKey } from '../pool/acquire-key.ts';
import { type Affinity, NO_AFFINITY } from '../pool/affinity.ts';
import type { PoolChoice, PoolEntry } from '../pool/key-pool.ts';
import type { ExchangeResult, FailedAttempt } from '../record/exchange-result.ts';
import type { RequestRecord } from '../record/recorder.ts';
import { Attempt, type AttemptOwner, type AttemptResult, type Call } from './attempt.ts';
import { isLasting, isOfNetwork, judgeResult } from './attempt-outcome.ts';
import { type ClientRequest, callOf } from './call.ts';
import { keysAtDeadEnd } from './dead-end.ts';
import { answerDryRun } from './dry-run-answer.ts';
import { breakOff, handOn, type KeptAnswer, type KeptError, ownError, type Served } from './endings.ts';
import type { ExchangeParts } from './exchange-parts.ts';
import { BROKEN, CLIENT_LEFT, NO_KEY, OWN_FAULT, outcomeOf, PAUSE_OVER, WHOLE } from './outcomes.ts';
import { type BodyText, PackedText, unpackersFor } from './packed-text.ts';
import { readAffinity } from './read-affinity.ts';
import { Relay } from './relay.ts';
import { type BodyWaiter, RequestBody } from './request-body.ts';

type End = ExchangeResult['end'];

/**
 * Carries one request to the upstream and its answer back. The only driver: it asks the pool for a key and `nextStep` what
 * to do when one fails. Driven by callbacks, so that a request that is served at once waits for no promise. Control comes
 * back here when the body has come, when the answer's head has gone to the client, and when an attempt has ended.
 */
export class Exchange implements AttemptOwner<PoolEntry>, BodyWaiter {
  readonly #parts: ExchangeParts;
  readonly #client: ClientRequest;
  readonly #response: ServerResponse;
  /** For a body that came compressed: what it says. */
  readonly #packed: PackedText | null;
  readonly #relay: Relay;
  readonly #record: RequestRecord;
  readonly #abort = new ClientAbort();
  #affinity: Affinity = NO_AFFINITY;
  #state: FailoverState = FRESH;
  /** The last that found a key, or the first that found none. */
  #choice: PoolChoice | null = null;
  /** The key asked last, or the one whose answer is handed on. */
  #entry: PoolEntry | null = null;
  #failures: FailedAttempt[] | null = null;
  #tried: Set<PoolEntry> | null = null;
  #served: Served | null = null;
  #answer: KeptAnswer | null = null;
  #error: KeptError | null = null;

  /** Throws what refuses a request at once. */
  constructor(parts: ExchangeParts, request: IncomingMessage, response: ServerResponse, head: RequestHead, route: Route) {
    const body = new RequestBody(request, head, parts.bodyLimits);
    const unpackers = unpackersFor(head.contentEncoding);
    this.#parts = parts;
    this.#client = { request, head, route, body };
    this.#response = response;
    this.#packed = unpackers === null ? null : new PackedText(body, unpackers, parts.bodyLimits, parts.unpackingTurns);
    this.#relay = new Relay(response, route.isAnthropic);
    this.#record = parts.recorder.begin(request, route, this.#packed ?? body, this.#relay);
  }

  start(): void {
    this.#parts.loops.began();
    this.#response.on('close', () => this.#closed());
    this.#client.body.whenReady(this);
  }

  #closed(): void {
    this.#parts.loops.ended();
    this.#client.body.release();
    this.#packed?.release();
    if (this.#response.writableFinished) return;
    this.#client.body.abandon();
    this.#abort.leave();
  }

  /** The body has come, as far as the next thing to do needs it. */
  bodyReady(): void {
    this.#guarded(() => {
      const { body } = this.#client;
      const { failure } = body;
      const text: BodyText = this.#packed ?? body;
      if (failure instanceof ClientLeft || this.#abort.hasLeft) this.#go(CLIENT_LEFT);
      else if (failure !== null) throw failure;
      else if (!this.#knowsAffinity(text)) text.whenSettled(this);
      else this.#begin();
    });
  }

  /** Whether it is known what ties the request to an account; else the rest of the body must come first. */
  #knowsAffinity(text: BodyText): boolean {
    const { pool, places } = this.#parts;
    if (!pool.keepsSessions && !pool.knowsFiles) return true;
    const { request, route } = this.#client;
    const affinity = readAffinity(pool, request, route, text, places);
    if (affinity !== null) this.#affinity = affinity;
    return affinity !== null;
  }

  #begin(): void {
    const { dryRun, pool } = this.#parts;
    const { body } = this.#client;
    if (dryRun === null) this.#askFirst();
    else if (body.isSettled) this.#answerDry(answerDryRun({ pool, dryRun }, this.#client, this.#response, this.#affinity));
    else body.whenSettled(this);
  }

  #answerDry(result: ExchangeResult): void {
    if (result.end.kind === 'no-key') this.#refuse(result.end.error);
    this.#client.body.drop();
    this.#record.ended(result, this.#affinity);
  }

  #askFirst(): void {
    const { config, pool, waitQueues } = this.#parts;
    // Whoever waits already goes first.
    const isFree = waitQueues.for(this.#affinity.fileAccountId).isEmpty;
    const choice = isFree ? acquireKey(pool, this.#affinity) : NOT_ASKED;
    if (choice.candidate !== null || config.proxyWaitSeconds === 0) this.#ask(choice);
    else {
      waitForKey(this.#parts, choice, this.#abort, this.#affinity).then(
        (found) => this.#guarded(() => this.#ask(found)),
        (error: unknown) => this.#crashed(error),
      );
    }
  }

  #ask(choice: PoolChoice): void {
    if (choice.candidate !== null || this.#entry === null) this.#choice = choice;
    if (choice.candidate !== null) this.#attempt(choice.candidate);
    else this.#go(this.#abort.hasLeft ? CLIENT_LEFT : NO_KEY);
  }

  #attempt(entry: PoolEntry): void {
    const { pool, clock } = this.#parts;
    const startedAt = clock();
    this.#entry = entry;
    this.#relay.key = entry.credential.value;
    let call: Call<PoolEntry>;
    try {
      call = callOf(this.#parts, this.#client, entry, startedAt);
    } catch (error) {
      pool.ended(entry, startedAt);
      throw error;
    }
    const attempt = new Attempt(call, this.#record.sink, this, this.#parts.timeouts);
    this.#abort.notify(attempt);
    if (this.#abort.hasLeft) attempt.clientLeft();
    attempt.start();
  }

  /** The answer's head has gone to the client. */
  answering({ key }: Call<PoolEntry>, status: number, headers: readonly string[]): void {
    const { pool } = this.#parts;
    if (isOfNetwork(status, headers)) pool.answered(key);
    else pool.served(key, this.#failures ?? NO_FAILURES, this.#affinity);
  }

  attemptEnded(call: Call<PoolEntry>, result: AttemptResult): void {
    const { pool, upstreams } = this.#parts;
    pool.ended(call.key, call.startedAt);
    this.#abort.notify(null);
    this.#guarded(() => {
      const error = result.kind === 'failed' ? result.error : result.kind === 'served' ? result.brokenBy : null;
      // The way is in doubt: whoever comes next gets a new connection.
      if (error !== null && !(error instanceof ClientLeft) && !(error instanceof KmiError))
        upstreams.renew(call.request.origin, call.dispatcher);
      if (result.kind === 'served') {
        this.#served = result;
        this.#go(result.brokenBy === null ? WHOLE : BROKEN);
      } else if (this.#abort.hasLeft || error instanceof ClientLeft) this.#go(CLIENT_LEFT);
      else if (error !== null) this.#failed(call, { kind: 'failed', error });
      else this.#failed(call, result);
    });
  }

  /** An attempt ended that the client has seen nothing of. */
  #failed({ key: entry, startedAt, request }: Call<PoolEntry>, result: Exclude<AttemptResult, Served>): void {
    const { pool, clock } = this.#parts;
    if (result.kind === 'failed') {
      this.#error = { error: result.error, origin: request.origin };
      if (result.error instanceof KmiError) {
        this.#go(OWN_FAULT);
        return;
      }
    }
    const judged = judgeResult(result, startedAt, clock());
    const isChat = this.#client.route.isChat && this.#client.request.method === 'POST';
    const deadEnd = isChat ? keysAtDeadEnd(result, judged, entry, pool.entries) : null;
    const outcome = deadEnd === null ? judged : { ...judged, verdict: 'dead-end' as const };
    const { verdict } = outcome;
    if (result.kind === 'answered') this.#answer = { answer: result, verdict, entry };
    const isHopeless = outcome.status === ERRORS.loop.http || isLasting(this.#error?.error ?? null);
    const { step, hasFailedKey } = this.#decide(outcomeOf(result, verdict, isHopeless));
    // A connection that died says nothing about the key, which is asked again at once.
    if (step.kind !== 'same-key') pool.failed(entry, outcome);
    if (hasFailedKey) {
      this.#failures ??= [];
      this.#failures.push({ entry, outcome });
      this.#tried = new Set([...(this.#tried ?? []), ...(deadEnd ?? []), entry]);
    }
    this.#take(step);
  }

  #go(outcome: Outcome): void {
    this.#take(this.#decide(outcome).step);
  }

  /** `hasFailedKey`: the outcome is that one more key has failed this request. */
  #decide(outcome: Outcome): { readonly step: Step; readonly hasFailedKey: boolean } {
    const { held, streamed } = this.#parts.failoverLimits;
    const before = this.#state;
    const { state, step } = nextStep(before, outcome, this.#client.body.canReplay ? held : streamed);
    this.#state = state;
    return { step, hasFailedKey: state.innocentKeys + state.spentKeys > before.innocentKeys + before.spentKeys };
  }

  #take(step: Step): void {
    const { pool } = this.#parts;
    switch (step.kind) {
      case 'same-key':
        if (this.#entry === null) return;
        pool.began(this.#entry);
        this.#attempt(this.#entry);
        return;
      case 'other-key':
        if (step.forgetTried) this.#tried = null;
        this.#ask(acquireKey(pool, this.#affinity, this.#tried ?? NOTHING_TRIED));
        return;
      case 'pause':
        this.#abort.staysFor(step.ms).then(
          (stays) => this.#guarded(() => this.#go(stays ? PAUSE_OVER : CLIENT_LEFT)),
          (error: unknown) => this.#crashed(error),
        );
        return;
      case 'relay':
        this.#handOn();
        return;
      case 'give-up':
        this.#giveUp(step.because);
        return;
      case 'break-off':
        if (this.#served === null) return;
        breakOff(this.#served, this.#entry, { relay: this.#relay, record: this.#record, response: this.#response });
        this.#close(this.#served);
        return;
      case 'done':
        if (this.#served !== null) this.#close(this.#served);
        return;
      case 'client-left':
        this.#close(LEFT);
    }
  }

  #handOn(): void {
    if (this.#answer === null) return;
    this.#entry = this.#answer.entry;
    this.#close(handOn(this.#answer, this.#client, this.#relay, this.#parts.clock()));
  }

  #giveUp(because: 'unreachable' | 'no-key' | 'own-fault'): void {
    const error = ownError(this.#error, this.#choice, this.#parts);
    this.#refuse(error);
    this.#close({ kind: because === 'no-key' ? 'no-key' : 'unreachable', error });
  }

  #refuse(error: KmiError): void {
    sendError(this.#response, error, { anthropic: this.#client.route.isAnthropic });
  }

  #close(end: End): void {
    this.#client.body.drop();
    const failures = this.#failures ?? NO_FAILURES;
    this.#record.ended({ entry: this.#entry, choice: this.#choice, failures, end }, this.#affinity);
  }

  #guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#crashed(error);
    }
  }

  #crashed(error: unknown): void {
    this.#parts.refuse(this.#client.request, this.#response, error);
  }
}

const LEFT: End = Object.freeze({ kind: 'left' });
const NO_FAILURES: readonly FailedAttempt[] = Object.freeze([]);
const NOTHING_TRIED: ReadonlySet<PoolEntry> = new Set();
