import type { Dispatcher } from 'undici';
import { backoffMs } from '../../core/verdicts/retry.ts';
import { CONSEQUENCES, type VerdictClass } from '../../core/verdicts/verdict.ts';
import { ERRORS, KmiError } from '../../errors.ts';
import type { Affinity } from '../pool/affinity.ts';
import { type AnswerSink, Attempt, type AttemptOwner, type AttemptRequest, type AttemptResult } from './attempt.ts';
import { isLasting, isOfNetwork, isSocketDeath, judgeResult, unreachable } from './attempt-outcome.ts';
import { keysAtDeadEnd } from './dead-end.ts';
import type { Departure } from '../http/client-abort.ts';
import { ClientLeft } from '../http/interruptions.ts';
import type { AttemptOutcome, PoolChoice, PoolEntry } from '../pool/key-pool.ts';
import { noKeyError } from '../pool/no-key-error.ts';
import type { RequestBody } from './request-body.ts';
import { NOBODY, type TakingParts, take, waitForKey } from '../pool/acquire-key.ts';
import type { Upstreams } from '../upstream/upstreams.ts';

export type FailoverParts = TakingParts & {
  readonly upstreams: Upstreams;
};

/** One client request, as failover needs it. */
export type FailoverRequest = {
  readonly body: RequestBody;
  readonly sink: AnswerSink;
  readonly client: Departure;
  /** What ties it to an account. */
  readonly affinity: Affinity;
  /** A request that every upstream of Kimi's serves. */
  readonly isChat: boolean;
  /** The upstream request for a key. */
  requestFor(entry: PoolEntry): AttemptRequest;
  /** How it ended. Called once, unless `crashed` is. */
  ended(result: FailoverResult): void;
  /** The proxy itself failed on this request. */
  crashed(error: unknown): void;
};

export type Failure = { readonly entry: PoolEntry; readonly outcome: AttemptOutcome };

type Collected = Extract<AttemptResult, { kind: 'answered' }>;

/** How a request ended, and what it took. */
export type FailoverResult = {
  /** The key of the answer, or the last one tried; null when none was. */
  readonly entry: PoolEntry | null;
  readonly choice: PoolChoice | null;
  /** Attempts that failed before, in order. */
  readonly failures: readonly Failure[];
  readonly end:
    | { readonly kind: 'served'; readonly status: number; readonly brokenBy: Error | null }
    | { readonly kind: 'relay'; readonly answer: Collected; readonly verdict: VerdictClass; readonly upstreamStatus?: number }
    | { readonly kind: 'unreachable'; readonly error: KmiError }
    | { readonly kind: 'no-key'; readonly error: KmiError }
    | { readonly kind: 'left' };
};

/** An overload is the server's: the same key is tried again at least this often, whatever `KMI_PROXY_RETRY_MAX` says. */
const OVERLOAD_RETRIES = 2;

/** Keys one request may find used up or refused; a pool with more of them has other troubles. */
const DEAD_KEYS_MAX = 50;

function isKeysOwn(verdict: VerdictClass): boolean {
  const { blame } = CONSEQUENCES[verdict];
  return blame === 'key' || blame === 'account';
}

type Chosen = Extract<PoolChoice, { candidate: PoolEntry }>;

/**
 * The whole life of one request towards the upstream: a key is chosen and asked; when it fails, the
 * verdict says whether the same key is asked again, another one, or none. Driven by callbacks: in the usual case, one
 * attempt that is served, nothing has to be waited for.
 */
export class Failover implements AttemptOwner {
  readonly #parts: FailoverParts;
  readonly #request: FailoverRequest;
  #choice: PoolChoice | null = null;
  #entry: PoolEntry | null = null;
  #startedAt = 0;
  #origin = '';
  #dispatcher: Dispatcher | null = null;
  #failures: Failure[] | null = null;
  #tried: Set<PoolEntry> | null = null;
  #lastAnswer: { answer: Collected; verdict: VerdictClass; entry: PoolEntry } | null = null;
  #lastError: Error | null = null;
  #overloadRetries = 0;
  #retries = 0;
  #furtherKeys = 0;
  #deadKeys = 0;
  #freshSocketTried = false;

  constructor(parts: FailoverParts, request: FailoverRequest) {
    this.#parts = parts;
    this.#request = request;
  }

  start(): void {
    const { config, waitingRooms } = this.#parts;
    const { affinity } = this.#request;
    // Whoever waits already goes first.
    const choice = waitingRooms.for(affinity.fileAccountId).isEmpty ? take(this.#parts, affinity) : NOBODY;
    if (choice.candidate !== null) this.#ask(choice);
    else if (config.proxyWaitSeconds === 0) this.#refuse(choice);
    else {
      waitForKey(this.#parts, choice, this.#request).then(
        (found) => this.#guarded(() => (found.candidate === null ? this.#refuse(found) : this.#ask(found))),
        (error: unknown) => this.#request.crashed(error),
      );
    }
  }

  #refuse(choice: PoolChoice): void {
    this.#choice = choice;
    if (this.#request.client.hasLeft) this.#finish(LEFT);
    else this.#finish({ kind: 'no-key', error: noKeyError(choice, this.#parts) });
  }

  /** Asks a key that was taken. */
  #ask(choice: Chosen): void {
    this.#choice = choice;
    this.#entry = choice.candidate;
    this.#attempt(choice.candidate);
  }

  #askAgain(entry: PoolEntry): void {
    this.#parts.pool.began(entry);
    this.#attempt(entry);
  }

  #attempt(entry: PoolEntry): void {
    const { config, clock } = this.#parts;
    const { client, sink } = this.#request;
    this.#startedAt = clock();
    const { upstream, dispatcher } = this.#prepare(entry);
    this.#origin = upstream.origin;
    this.#dispatcher = dispatcher;
    const attempt = new Attempt(sink, this, config.proxyFirstByteTimeoutSeconds * 1000, config.proxyIdleTimeoutSeconds * 1000);
    client.notify(attempt);
    if (client.hasLeft) attempt.clientLeft();
    attempt.start(dispatcher, upstream);
  }

  /** What the attempt needs. When that cannot be had there is no attempt, which ends it too. */
  #prepare(entry: PoolEntry): { readonly upstream: AttemptRequest; readonly dispatcher: Dispatcher } {
    const { pool, upstreams } = this.#parts;
    const { body } = this.#request;
    try {
      const upstream = this.#request.requestFor(entry);
      return { upstream, dispatcher: body.canReplay ? upstreams.for(upstream.origin) : upstreams.forOne(upstream.origin) };
    } catch (error) {
      pool.ended(entry, this.#startedAt);
      throw error;
    }
  }

  answering(status: number, headers: readonly string[]): void {
    if (isOfNetwork(status, headers)) this.#parts.pool.answered(this.#entry as PoolEntry);
    else this.#parts.pool.served(this.#entry as PoolEntry, this.#failures ?? NO_FAILURES, this.#request.affinity);
  }

  attemptEnded(result: AttemptResult): void {
    this.#parts.pool.ended(this.#entry as PoolEntry, this.#startedAt);
    this.#request.client.notify(null);
    const error = result.kind === 'failed' ? result.error : result.kind === 'served' ? result.brokenBy : null;
    if (error !== null && !(error instanceof ClientLeft) && !(error instanceof KmiError)) {
      this.#parts.upstreams.renew(this.#origin, this.#dispatcher as Dispatcher);
    }
    if (result.kind === 'served') this.#finish(result);
    else this.#guarded(() => this.#goOn(result));
  }

  /** What comes after an attempt that the client has seen nothing of. */
  #goOn(result: Exclude<AttemptResult, { kind: 'served' }>): void {
    const { pool, clock } = this.#parts;
    const { body, client } = this.#request;
    const entry = this.#entry as PoolEntry;
    if (client.hasLeft || (result.kind === 'failed' && result.error instanceof ClientLeft)) {
      this.#finish(LEFT);
      return;
    }

    if (result.kind === 'failed') {
      if (result.error instanceof KmiError) {
        this.#finish({ kind: 'unreachable', error: result.error });
        return;
      }
      // A pooled socket may have died while it was idle. That says nothing about the key: once more on a fresh one.
      if (!this.#freshSocketTried && isSocketDeath(result.error) && body.canReplay) {
        this.#freshSocketTried = true;
        this.#askAgain(entry);
        return;
      }
      this.#lastError = result.error;
    }

    const judged = judgeResult(result, this.#startedAt, clock());
    const deadEnd = this.#request.isChat ? keysAtDeadEnd(result, judged, entry, pool.entries) : null;
    if (deadEnd !== null) this.#tried = new Set([...(this.#tried ?? []), ...deadEnd]);
    const outcome: AttemptOutcome = deadEnd === null ? judged : { ...judged, verdict: 'dead-end' };
    const { next } = CONSEQUENCES[outcome.verdict];
    pool.failed(entry, outcome);
    if (result.kind === 'answered') {
      if (next === 'relay') {
        this.#finish({ kind: 'relay', answer: result, verdict: outcome.verdict });
        return;
      }
      this.#lastAnswer = { answer: result, verdict: outcome.verdict, entry };
    }
    if (!body.canReplay) {
      this.#giveUp();
      return;
    }
    if (next === 'same-key' && this.#overloadRetries < Math.max(OVERLOAD_RETRIES, this.#parts.config.proxyRetryMax)) {
      this.#afterPause(this.#overloadRetries++, () => this.#askAgain(entry));
      return;
    }
    this.#askAnother(entry, outcome);
  }

  #askAnother(entry: PoolEntry, outcome: AttemptOutcome): void {
    const { config } = this.#parts;
    const { affinity } = this.#request;
    this.#tried ??= new Set();
    this.#tried.add(entry);
    this.#failures ??= [];
    this.#failures.push({ entry, outcome });
    // A key that is used up or refused is put away, so trying the next one costs the pool nothing twice: it does not count.
    if (isKeysOwn(outcome.verdict)) this.#deadKeys += 1;
    else this.#furtherKeys += 1;
    if (this.#furtherKeys <= config.proxyFailoverMax && this.#deadKeys <= DEAD_KEYS_MAX && config.proxyFailoverMax > 0) {
      const further = take(this.#parts, affinity, this.#tried);
      if (further.candidate !== null) {
        this.#ask(further);
        return;
      }
    }
    // What goes round in a circle does so again later.
    const isHopeless = outcome.status === ERRORS.loop.http || isLasting(this.#lastError);
    if (outcome.verdict !== 'broken' || isHopeless || this.#retries >= config.proxyRetryMax) {
      this.#giveUp();
      return;
    }
    this.#afterPause(this.#retries++, () => {
      this.#tried?.clear();
      const again = take(this.#parts, affinity);
      if (again.candidate === null) this.#giveUp();
      else this.#ask(again);
    });
  }

  /** Goes on after the back-off of the `retry`th retry, unless the client leaves or the body outgrows what is held. */
  #afterPause(retry: number, goOn: () => void): void {
    const { body, client } = this.#request;
    pause(backoffMs(retry, this.#parts.config.proxyRetryBaseMs), client).then(
      (stays) =>
        this.#guarded(() => {
          if (!stays) this.#finish(LEFT);
          else if (body.canReplay) goOn();
          else this.#giveUp();
        }),
      (error: unknown) => this.#request.crashed(error),
    );
  }

  #giveUp(): void {
    const last = this.#lastAnswer;
    if (last === null) {
      this.#finish({ kind: 'unreachable', error: unreachable(this.#lastError as Error, this.#origin) });
      return;
    }
    this.#entry = last.entry;
    this.#finish({ kind: 'relay', answer: last.answer, verdict: last.verdict });
  }

  #finish(end: FailoverResult['end']): void {
    this.#request.ended({ entry: this.#entry, choice: this.#choice, failures: this.#failures ?? NO_FAILURES, end });
  }

  #guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#request.crashed(error);
    }
  }
}

const LEFT: FailoverResult['end'] = Object.freeze({ kind: 'left' });
const NO_FAILURES: readonly Failure[] = Object.freeze([]);

/** Waits; false when the client left meanwhile. */
function pause(ms: number, client: Departure): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => done(true), ms);
    const done = (stays: boolean) => {
      clearTimeout(timer);
      client.notify(null);
      resolve(stays);
    };
    client.notify({ clientLeft: () => done(false) });
    if (client.hasLeft) done(false);
  });
}
