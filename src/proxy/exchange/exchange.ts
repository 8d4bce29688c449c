import type { IncomingMessage, ServerResponse } from 'node:http';
import { EVENTS, type FailoverEvent, type FailoverState, FRESH, nextStep, type Step } from '../../core/failover/next-step.ts';
import { isTokenOver } from '../../core/keys/key.ts';
import { KmiError } from '../../errors.ts';
import { ClientAbort } from '../http/client-abort.ts';
import { sendError } from '../http/error-responses.ts';
import type { AnswerHead, RequestHead } from '../http/headers.ts';
import { ClientLeft } from '../http/interruptions.ts';
import type { Route } from '../http/route.ts';
import { acquireFirst, acquireKey, waitForKey } from '../pool/acquire-key.ts';
import { type Affinity, NO_AFFINITY } from '../pool/affinity.ts';
import type { FailedAttempt } from '../pool/cooldowns.ts';
import type { PoolChoice } from '../pool/key-chooser.ts';
import type { PoolEntry } from '../pool/pool-entry.ts';
import type { ExchangeResult } from '../record/exchange-result.ts';
import type { RequestRecord } from '../record/recorder.ts';
import { Attempt, type AttemptOwner, type AttemptPlan, type AttemptResult } from './attempt.ts';
import { isOfNetwork, type JudgedResult, judgeResult } from './attempt-outcome.ts';
import { type ClientRequest, planOf } from './attempt-plan.ts';
import { answerDryRun } from './dry-run-answer.ts';
import { breakOff, handOn, type KeptError, ownError, type Served } from './endings.ts';
import type { ExchangeParts } from './exchange-parts.ts';
import type { KeptAnswer } from './kept-answer.ts';
import { type BodyText, PackedText, unpackersFor } from './packed-text.ts';
import { readAffinity } from './read-affinity.ts';
import { Relay } from './relay.ts';
import { type BodyWaiter, RequestBody } from './request-body.ts';
import { renewToken } from './token-renewal.ts';

type End = ExchangeResult['end'];

/**
 * Carries one request to the upstream and its answer back. The only driver: it asks the pool for a key and `nextStep` what
 * to do when one fails. Driven by callbacks, so that a request that is served at once waits for no promise. Control comes
 * back here when the body has come, when the answer's head has gone to the client, and when an attempt has ended; otherwise
 * only after a wait for a key or a token, or a pause.
 */
export class Exchange implements AttemptOwner, BodyWaiter {
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
  #failures: readonly FailedAttempt[] | null = null;
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
    this.#response.on('close', () => this.#responseClosed());
    this.#client.body.whenReady(this);
  }

  #responseClosed(): void {
    this.#parts.loops.ended();
    this.#client.body.release();
    this.#packed?.release();
    if (this.#response.writableFinished) return;
    this.#client.body.abandon();
    this.#abort.leave();
  }

  /** The body has come, as far as the next thing to do needs it. */
  bodyReady(): void {
    try {
      const { failure } = this.#client.body;
      const text: BodyText = this.#packed ?? this.#client.body;
      if (failure instanceof ClientLeft || this.#abort.hasLeft) this.#go(EVENTS.clientLeft);
      else if (failure !== null) throw failure;
      else this.#begin(text);
    } catch (error) {
      this.#crashed(error);
    }
  }

  #begin(text: BodyText): void {
    const { dryRun, pool, places } = this.#parts;
    const { body, request, route } = this.#client;
    const affinity = readAffinity(pool, request, route, text, places);
    if (affinity !== null) this.#affinity = affinity;
    // What ties the request to an account is not known yet: the rest of the body must come first.
    if (affinity === null) text.whenSettled(this);
    else if (dryRun === null) this.#askFirst();
    else if (body.isSettled) this.#answerDry(answerDryRun(this.#parts, dryRun, this.#client, this.#response, this.#affinity));
    else body.whenSettled(this);
  }

  #answerDry({ entry, choice, end }: ExchangeResult): void {
    this.#record.chose();
    this.#entry = entry;
    this.#choice = choice;
    if (end.kind === 'no-key') this.#refuse(end.error);
    this.#finish(end);
  }

  #askFirst(): void {
    const choice = acquireFirst(this.#parts, this.#affinity);
    if (choice.candidate !== null || this.#parts.config.proxyWaitSeconds === 0) this.#ask(choice);
    else this.#when(waitForKey(this.#parts, choice, this.#abort, this.#affinity), (found) => this.#ask(found));
  }

  #ask(choice: PoolChoice): void {
    if (choice.candidate !== null || this.#entry === null) this.#choice = choice;
    this.#record.chose();
    if (choice.candidate !== null) this.#attempt(choice.candidate);
    else this.#go(this.#abort.hasLeft ? EVENTS.clientLeft : EVENTS.noKey);
  }

  #attempt(entry: PoolEntry): void {
    const { pool, clock } = this.#parts;
    const startedAt = clock();
    this.#entry = entry;
    this.#relay.key = entry.credential.value;
    const { login } = entry.key;
    if (login !== undefined && !this.#state.hasRenewed && isTokenOver(login, startedAt)) {
      this.#go(EVENTS.tokenOver);
      return;
    }
    let plan: AttemptPlan;
    try {
      plan = planOf(this.#parts, this.#client, entry, startedAt);
    } catch (error) {
      pool.ended(entry, startedAt);
      throw error;
    }
    const attempt = new Attempt(plan, this.#record.sink, this, this.#parts.timeouts);
    this.#abort.notify(attempt);
    attempt.start();
    if (this.#abort.hasLeft) attempt.clientLeft();
  }

  /** The answer's head has gone to the client. */
  answering({ entry }: AttemptPlan, head: AnswerHead): void {
    const { pool } = this.#parts;
    if (isOfNetwork(head)) pool.answered(entry);
    else pool.served(entry, this.#failures ?? NO_FAILURES, this.#affinity);
  }

  attemptEnded(plan: AttemptPlan, result: AttemptResult): void {
    const { pool, upstreams } = this.#parts;
    pool.ended(plan.entry, plan.startedAt);
    this.#abort.notify(null);
    try {
      const error = result.kind === 'failed' ? result.error : result.kind === 'served' ? result.brokenBy : null;
      // The connection is suspect: the next request gets a new one.
      if (error !== null && !(error instanceof ClientLeft) && !(error instanceof KmiError))
        upstreams.renew(plan.request.origin, plan.dispatcher);
      if (result.kind === 'served') {
        this.#served = result;
        this.#go(result.brokenBy === null ? EVENTS.whole : EVENTS.broken);
      } else if (this.#abort.hasLeft || error instanceof ClientLeft) this.#go(EVENTS.clientLeft);
      else if (error !== null) this.#failed(plan, { kind: 'failed', error });
      else this.#failed(plan, result);
    } catch (error) {
      this.#crashed(error);
    }
  }

  /** An attempt ended that the client has seen nothing of. */
  #failed({ entry, startedAt, request }: AttemptPlan, result: Exclude<AttemptResult, Served>): void {
    const { pool, clock } = this.#parts;
    if (result.kind === 'failed') this.#error = { error: result.error, origin: request.origin };
    const enabled = this.#client.route.isChat && this.#client.request.method === 'POST' ? pool.enabled : null;
    const judged = judgeResult(result, { entry, startedAt, now: clock(), enabled });
    if (result.kind === 'answered')
      this.#answer = { answer: result, outcome: judged.outcome, entry, sent: this.#relay.key ?? '' };
    this.#settle(entry, judged);
  }

  /** What the attempt says of its key is known. */
  #settle(entry: PoolEntry, judged: JudgedResult): void {
    const { pool } = this.#parts;
    const { outcome, event, deadEnd } = judged;
    const { step, failed } = this.#decide(event);
    if (failed !== 'nothing') pool.failed(entry, outcome);
    if (failed === 'key') {
      this.#failures = [...(this.#failures ?? []), { entry, outcome }];
      this.#tried = new Set([...(this.#tried ?? []), ...(deadEnd ?? []), entry]);
    }
    if (step.kind === 'renew') this.#renew(entry, judged);
    else this.#perform(step);
  }

  /** The key's login gets another access token: the one it has was refused, or its time is up. */
  #renew(entry: PoolEntry, refused: JudgedResult | null): void {
    this.#when(renewToken(this.#parts, entry, this.#relay.key, refused), (came) => {
      if (this.#abort.hasLeft) this.#go(EVENTS.clientLeft);
      else if ('kind' in came) this.#go(came);
      else {
        this.#error = came.error ?? this.#error;
        if (this.#answer?.entry === entry) this.#answer = { ...this.#answer, outcome: came.judged.outcome };
        this.#settle(entry, came.judged);
      }
    });
  }

  #go(event: FailoverEvent): void {
    this.#perform(this.#decide(event).step);
  }

  #decide(event: FailoverEvent) {
    const { held, streamed } = this.#parts.failoverLimits;
    const decision = nextStep(this.#state, event, this.#client.body.canReplay ? held : streamed);
    this.#state = decision.state;
    return decision;
  }

  #perform(step: Step): void {
    const { pool } = this.#parts;
    switch (step.kind) {
      case 'same-key':
        if (this.#entry === null) throw new Error('No key was asked before.');
        pool.began(this.#entry);
        this.#attempt(this.#entry);
        return;
      case 'renew':
        if (this.#entry === null) throw new Error('No key was asked before.');
        this.#renew(this.#entry, null);
        return;
      case 'other-key':
        if (step.forgetTried) {
          this.#tried = null;
          pool.affinityStore.gaveUp(this.#affinity);
        }
        this.#ask(acquireKey(pool, this.#affinity, this.#tried ?? undefined));
        return;
      case 'pause':
        this.#when(this.#abort.staysFor(step.ms), (stays) => this.#go(stays ? EVENTS.pauseOver : EVENTS.clientLeft));
        return;
      case 'relay':
        if (this.#answer === null) throw new Error('No answer was kept.');
        this.#entry = this.#answer.entry;
        this.#finish(handOn(this.#answer, this.#client, this.#relay, this.#failures ?? NO_FAILURES, this.#parts));
        return;
      case 'give-up':
        this.#giveUp(step.because);
        return;
      case 'break-off':
      case 'done':
        if (this.#served === null) throw new Error('No answer has begun.');
        if (step.kind === 'break-off')
          breakOff(this.#served, this.#entry, { relay: this.#relay, record: this.#record, response: this.#response });
        this.#finish(this.#served);
        return;
      case 'client-left':
        this.#finish(LEFT);
    }
  }

  #giveUp(because: 'unreachable' | 'no-key'): void {
    const error = ownError(this.#error, this.#choice, this.#parts);
    this.#refuse(error);
    this.#finish({ kind: because, error });
  }

  #refuse(error: KmiError): void {
    sendError(this.#response, error, { anthropic: this.#client.route.isAnthropic });
  }

  #finish(end: End): void {
    this.#client.body.drop();
    this.#parts.pool.affinityStore.gaveUp(this.#affinity);
    this.#record.ended(
      { entry: this.#entry, choice: this.#choice, failures: this.#failures ?? NO_FAILURES, end },
      this.#affinity,
    );
  }

  #when<Value>(coming: Promise<Value>, goOn: (value: Value) => void): void {
    coming.then(goOn).catch((error: unknown) => this.#crashed(error));
  }

  #crashed(error: unknown): void {
    this.#parts.pool.affinityStore.gaveUp(this.#affinity);
    this.#parts.refuse(this.#client.request, this.#response, error);
  }
}

const LEFT: End = Object.freeze({ kind: 'left' });
const NO_FAILURES: readonly FailedAttempt[] = Object.freeze([]);
