import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect as connectTcp, isIP } from 'node:net';
import { ConnectFailure } from '../core/network/connect-failure.ts';
import { describeNetworkCode, networkCode } from '../core/network/network-words.ts';
import { reasonOf } from '../errors.ts';
import type { AuthorityFact } from './checks-logins.ts';
import type { UpstreamFact } from './checks-upstream.ts';

export type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** At most 64 KiB of it. */
  readonly body: string;
};

/** Sends a GET the way the proxy sends its requests. Rejects when no answer comes. */
export type Get = (
  url: string,
  options: { readonly signal: AbortSignal; readonly headers?: Readonly<Record<string, string>> },
) => Promise<Answer>;

export type ReachOptions = {
  readonly get: Get;
  /** The way leads through an outgoing proxy: names and certificates are its business. */
  readonly viaProxy: boolean;
  /** For each of the steps. */
  readonly timeoutMs?: number;
};

const TIMEOUT_MS = 5_000;

/**
 * Calls an upstream step by step, so that what is wrong has a name: the host's address, a connection, TLS, an answer to
 * `GET {baseUrl}/models` without credentials (401 is what a healthy upstream says).
 */
export async function reachUpstream(
  baseUrl: string,
  { get, viaProxy, timeoutMs = TIMEOUT_MS }: ReachOptions,
): Promise<UpstreamFact> {
  const url = new URL(baseUrl);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (!viaProxy) {
    const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
    const step =
      (await tryStep('name', () => findAddress(host), timeoutMs)) ??
      (await tryStep('connection', (signal) => openConnection(host, port, signal), timeoutMs)) ??
      (url.protocol === 'https:' ? await tryStep('tls', (signal) => shakeHands(host, port, signal), timeoutMs) : null);
    if (step !== null) return step;
  }
  const startedAt = performance.now();
  const answer: { value?: Answer } = {};
  const failure = await tryStep(
    'http',
    async (signal) => {
      answer.value = await get(`${baseUrl}/models`, { signal });
    },
    timeoutMs,
  );
  if (failure !== null || answer.value === undefined) return failure ?? { reached: 'http', reason: 'no answer' };
  const { status, headers } = answer.value;
  const date = Date.parse(String(headers.date));
  return {
    reached: 'answer',
    status,
    contentType: String(headers['content-type'] ?? ''),
    ms: Math.round(performance.now() - startedAt),
    date: Number.isNaN(date) ? null : date,
  };
}

type Step = Exclude<UpstreamFact['reached'], 'answer' | 'proxy'>;

/** What a step failed with; null when it went well. */
async function tryStep(
  step: Step,
  work: (signal: AbortSignal) => Promise<unknown>,
  timeoutMs: number,
): Promise<UpstreamFact | null> {
  const abort = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`nothing within ${timeoutMs / 1000} s`));
      abort.abort();
    }, timeoutMs);
  });
  try {
    const working = work(abort.signal);
    // After the timeout nothing waits for it.
    working.catch(() => undefined);
    await Promise.race([working, timeout]);
    return null;
  } catch (error) {
    if (error instanceof ConnectFailure) return { reached: 'proxy', reason: error.message, hint: error.hint };
    return { reached: step, reason: whyNot(error) };
  } finally {
    clearTimeout(timer);
  }
}

function whyNot(error: unknown): string {
  const code = networkCode(error);
  return code === null ? reasonOf(error) : describeNetworkCode(code);
}

/** Whether an authorisation server answers, and how far this machine's clock is ahead of its; ms. A plain call without a credential. */
export async function askAuthority(
  address: string,
  {
    get,
    timeoutMs = TIMEOUT_MS,
    now = Date.now,
  }: { readonly get: Get; readonly timeoutMs?: number; readonly now?: () => number },
): Promise<Pick<AuthorityFact, 'aheadMs' | 'problem'>> {
  const signal = AbortSignal.timeout(timeoutMs);
  const sentAt = now();
  try {
    const { headers } = await get(`${address}/`, { signal });
    const here = (sentAt + now()) / 2;
    // Whole seconds, so on average half a second ago.
    const there = Date.parse(String(headers.date)) + 500;
    return { aheadMs: Number.isNaN(there) ? null : Math.round(here - there), problem: null };
  } catch (error) {
    const problem = error instanceof ConnectFailure ? error.message.replace(/\.$/, '') : whyNot(error);
    return { aheadMs: null, problem: signal.aborted ? `nothing within ${timeoutMs / 1000} s` : problem };
  }
}

async function findAddress(host: string): Promise<void> {
  if (isIP(host) === 0) await lookup(host);
}

async function openConnection(host: string, port: number, signal: AbortSignal): Promise<void> {
  const socket = connectTcp({ host, port });
  try {
    await once(socket, 'connect', { signal });
  } finally {
    socket.destroy();
  }
}

async function shakeHands(host: string, port: number, signal: AbortSignal): Promise<void> {
  const { connect } = await import('node:tls');
  const socket = connect({ host, port, rejectUnauthorized: true, ...(isIP(host) === 0 ? { servername: host } : {}) });
  try {
    await once(socket, 'secureConnect', { signal });
  } finally {
    socket.destroy();
  }
}
