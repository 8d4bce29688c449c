import type { Config } from '../config/settings.ts';
import { backoffMs, parseRetryAfter } from '../core/retry.ts';
import type { Choice, Skip } from '../core/rotation.ts';
import type { Clock } from '../core/time.ts';
import { CONSEQUENCES, judge, parseErrorBody, type VerdictClass } from '../core/verdict.ts';
import { KmiError } from '../errors.ts';
import { type AnswerSink, Attempt, type AttemptRequest, type AttemptResult } from './attempt.ts';
import type { Departure } from './departure.ts';
import { errorText } from './error-text.ts';
import { headerOf } from './headers.ts';
import { ClientLeft, UpstreamSilence } from './interruptions.ts';
import type { AttemptOutcome, KeyPool, PoolEntry } from './key-pool.ts';
import type { RequestBody } from './request-body.ts';
import type { Upstreams } from './upstreams.ts';
import type { WaitingRoom } from './waiting-room.ts';

export type FailoverParts = {
  readonly config: Config;
  readonly pool: KeyPool;
  readonly upstreams: Upstreams;
  readonly waitingRoom: WaitingRoom;
  readonly clock: Clock;
};

/** One client request, as failover needs it. */
export type FailoverRequest = {
  readonly body: RequestBody;
  readonly sink: AnswerSink;
  /** The upstream request for a key. */
  readonly requestFor: (entry: PoolEntry) => AttemptRequest;
  readonly client: Departure;
};

export type Failure = { readonly entry: PoolEntry; readonly outcome: AttemptOutcome };

type Collected = Extract<AttemptResult, { kind: 'answered' }>;

/** How a request ended, and what it took. */
export type FailoverResult = {
  /** The key of the answer, or the last one tried; null when none was. */
  readonly entry: PoolEntry | null;
  readonly choice: Choice<PoolEntry> | null;
  /** Attempts that failed before, in order. */
  readonly failures: readonly Failure[];
  readonly end:
    | { readonly kind: 'served'; readonly status: number; readonly brokenBy: Error | null }
    | { readonly kind: 'relay'; readonly answer: Collected; readonly verdict: VerdictClass }
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

/** The whole life of one request towards the upstream. Design section 4. */
export async function runWithFailover(parts: FailoverParts, request: FailoverRequest): Promise<FailoverResult> {
  const { config, pool } = parts;
  let tried: Set<PoolEntry> | null = null;
  let failures: Failure[] | null = null;
  let lastAnswer: { answer: Collected; verdict: VerdictClass; entry: PoolEntry } | null = null;
  let lastError: Error | null = null;
  let overloadRetries = 0;
  let retries = 0;
  let furtherKeys = 0;
  let deadKeys = 0;
  let freshSocketTried = false;

  // Whoever waits already goes first.
  let choice = parts.waitingRoom.isEmpty ? pool.choose() : NOBODY;
  if (choice.candidate === null && config.proxyWaitSeconds > 0) choice = await waitForKey(parts, choice, request.client);
  if (choice.candidate === null) {
    const end = request.client.hasLeft
      ? ({ kind: 'left' } as const)
      : ({ kind: 'no-key', error: noKeyError(choice, parts) } as const);
    return { entry: null, choice, failures: NO_FAILURES, end };
  }
  let entry = choice.candidate;

  for (;;) {
    const startedAt = parts.clock();
    const result = await runAttempt(parts, request, entry, failures ?? NO_FAILURES);
    const finish = (end: FailoverResult['end'], by: PoolEntry = entry): FailoverResult => ({
      entry: by,
      choice,
      failures: failures ?? NO_FAILURES,
      end,
    });

    if (result.kind === 'served') return finish(result);
    if (request.client.hasLeft || (result.kind === 'failed' && result.error instanceof ClientLeft))
      return finish({ kind: 'left' });

    if (result.kind === 'failed') {
      if (result.error instanceof KmiError) return finish({ kind: 'unreachable', error: result.error });
      // A pooled socket may have died while it was idle. That says nothing about the key: once more on a fresh one.
      if (!freshSocketTried && isSocketDeath(result.error) && request.body.canReplay) {
        freshSocketTried = true;
        continue;
      }
      lastError = result.error;
    }

    const outcome = judgeResult(result, startedAt, parts.clock());
    const { next } = CONSEQUENCES[outcome.verdict];
    if (next === 'relay' && result.kind === 'answered') {
      pool.failed(entry, outcome);
      return finish({ kind: 'relay', answer: result, verdict: outcome.verdict });
    }
    pool.failed(entry, outcome);
    if (result.kind === 'answered') lastAnswer = { answer: result, verdict: outcome.verdict, entry };

    const giveUp = (): FailoverResult => {
      if (lastAnswer !== null)
        return finish({ kind: 'relay', answer: lastAnswer.answer, verdict: lastAnswer.verdict }, lastAnswer.entry);
      return finish({ kind: 'unreachable', error: unreachable(lastError as Error) });
    };
    if (!request.body.canReplay) return giveUp();

    if (next === 'same-key' && overloadRetries < Math.max(OVERLOAD_RETRIES, config.proxyRetryMax)) {
      if (!(await pause(backoffMs(overloadRetries, config.proxyRetryBaseMs), request.client))) return finish({ kind: 'left' });
      overloadRetries += 1;
      // The body may have outgrown what is held while the pause lasted.
      if (!request.body.canReplay) return giveUp();
      continue;
    }

    tried ??= new Set();
    tried.add(entry);
    failures ??= [];
    failures.push({ entry, outcome });
    // A key that is used up or refused is put away, so trying the next one costs the pool nothing twice: it does not count.
    if (isKeysOwn(outcome.verdict)) deadKeys += 1;
    else furtherKeys += 1;
    if (furtherKeys <= config.proxyFailoverMax && deadKeys <= DEAD_KEYS_MAX && config.proxyFailoverMax > 0) {
      const further = pool.choose(tried);
      if (further.candidate !== null) {
        choice = further;
        entry = further.candidate;
        continue;
      }
    }
    if (outcome.verdict !== 'broken' || retries >= config.proxyRetryMax) return giveUp();
    if (!(await pause(backoffMs(retries, config.proxyRetryBaseMs), request.client))) return finish({ kind: 'left' });
    if (!request.body.canReplay) return giveUp();
    retries += 1;
    tried.clear();
    const again = pool.choose();
    if (again.candidate === null) return giveUp();
    choice = again;
    entry = again.candidate;
  }
}

const NO_FAILURES: readonly Failure[] = Object.freeze([]);

function runAttempt(
  { config, pool, upstreams }: FailoverParts,
  request: FailoverRequest,
  entry: PoolEntry,
  failures: readonly Failure[],
): Promise<AttemptResult> {
  return new Promise((resolve) => {
    const upstream = request.requestFor(entry);
    const { client, sink } = request;
    const dispatcher = upstreams.for(upstream.origin);
    const attempt = new Attempt(
      {
        head(status, reason, headers) {
          sink.head(status, reason, headers);
          pool.served(entry, failures);
        },
        data: (chunk, whenReady) => sink.data(chunk, whenReady),
        end: () => sink.end(),
      },
      { firstByteMs: config.proxyFirstByteTimeoutSeconds * 1000, idleMs: config.proxyIdleTimeoutSeconds * 1000 },
      (result) => {
        client.notify(null);
        const error = result.kind === 'failed' ? result.error : result.kind === 'served' ? result.brokenBy : null;
        if (error !== null && !(error instanceof ClientLeft) && !(error instanceof KmiError)) {
          upstreams.renew(upstream.origin, dispatcher);
        }
        resolve(result);
      },
    );
    const onLeft = () => attempt.abort(new ClientLeft('The client left.'));
    client.notify(onLeft);
    if (client.hasLeft) onLeft();
    attempt.start(dispatcher, upstream);
  });
}

function judgeResult(result: Exclude<AttemptResult, { kind: 'served' }>, startedAt: number, now: number): AttemptOutcome {
  if (result.kind === 'failed') return { verdict: 'broken', status: 503, retryAfterMs: null, startedAt };
  const text = errorText(result.body, headerOf(result.headers, 'content-encoding'));
  return {
    verdict: judge(parseErrorBody(result.status, text)),
    status: result.status,
    retryAfterMs: parseRetryAfter(headerOf(result.headers, 'retry-after'), now),
    startedAt,
  };
}

async function waitForKey(
  { config, pool, waitingRoom, clock }: FailoverParts,
  refused: Choice<PoolEntry>,
  client: Departure,
): Promise<Choice<PoolEntry>> {
  let choice = refused;
  const found = await waitingRoom.wait(
    () => {
      choice = pool.choose();
      return choice.candidate === null ? null : choice;
    },
    () => (choice.candidate === null && choice.returnsAt !== null ? choice.returnsAt - clock() : null),
    config.proxyWaitSeconds * 1000,
    client,
  );
  // Whose turn never came has not looked yet; the answer names reasons all the same.
  return found ?? (choice === NOBODY && !client.hasLeft ? pool.choose() : choice);
}

const NOBODY: Choice<PoolEntry> = { candidate: null, skipped: [], returnsAt: null };

function noKeyError(choice: Choice<PoolEntry>, { pool, clock }: FailoverParts): KmiError {
  if (choice.candidate !== null) throw new Error('A key was chosen.');
  const retryAfterSeconds = choice.returnsAt === null ? null : Math.max(1, Math.ceil((choice.returnsAt - clock()) / 1000));
  const options = retryAfterSeconds === null ? {} : { retryAfterSeconds };
  if (pool.entries.length === 0) return new KmiError('no_keys', 'The proxy has no keys.', options);
  if (choice.skipped.length > 0 && choice.skipped.every(({ reason }) => reason === 'key_rate_limit')) {
    return new KmiError('rate_limited', 'Every key is at its own rate limit.', options);
  }
  return new KmiError('no_eligible_key', `No key can serve now (${summarise(choice.skipped)}).`, options);
}

/** "2 quota, 1 auth": reasons by how often they occur. */
function summarise(skipped: readonly Skip[]): string {
  const counts = new Map<string, number>();
  for (const { reason } of skipped) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([reason, count]) => `${count} ${reason}`)
    .join(', ');
}

function unreachable(error: Error): KmiError {
  if (error instanceof UpstreamSilence) return new KmiError('upstream_timeout', error.message, { cause: error });
  return new KmiError('upstream_unreachable', `The upstream could not be reached (${networkReason(error)}).`, { cause: error });
}

/** The code of a network error; its message may name addresses, which a client need not see. */
function networkReason(error: Error): string {
  const { code, cause } = error as NodeJS.ErrnoException;
  return code ?? (cause as NodeJS.ErrnoException | undefined)?.code ?? 'network error';
}

/** Errors of a connection that had been established: a dead pooled socket shows as one of these. */
const SOCKET_DEATH = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'ETIMEDOUT', 'ENETRESET', 'ECONNABORTED']);

function isSocketDeath(error: Error): boolean {
  return SOCKET_DEATH.has(networkReason(error));
}

/** Waits; false when the client left meanwhile. */
function pause(ms: number, client: Departure): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => done(true), ms);
    const done = (stays: boolean) => {
      clearTimeout(timer);
      client.notify(null);
      resolve(stays);
    };
    client.notify(() => done(false));
    if (client.hasLeft) done(false);
  });
}
