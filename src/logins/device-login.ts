import { setTimeout as delay } from 'node:timers/promises';
import { KmiError } from '../errors.ts';
import type { TokenPair } from './login.ts';
import { beginDevice, type DeviceGrant, type OauthNet, pollDevice } from './oauth-client.ts';

/** What a person needs to let the device in. */
export type DeviceCode = {
  readonly userCode: string;
  readonly verificationUri: string;
  readonly verificationUriComplete: string;
  /** When the code ends, or the wait for a person; epoch ms. */
  readonly expiresAt: number;
};

export type DeviceLoginOptions = {
  /** Called with every code: a new one comes when one has expired. */
  readonly onCode: (code: DeviceCode) => void;
  readonly signal: AbortSignal;
  /** For all codes together. */
  readonly limitMs?: number;
};

/** docs/kimi-api.md#oauth-requests */
const LIMIT_MS = 15 * 60_000;
const SLOWER_S = 5;
/** Polls without an answer, one after another, before the login is given up. */
const UNREACHABLE_POLLS = 5;

/**
 * Logs in by a code that a person confirms elsewhere (RFC 8628, polling by docs/kimi-api.md#oauth-requests). Throws `login_failed`: when
 * the person says no, the server fails, the time is over, or the signal aborts.
 */
export async function loginByDevice(net: OauthNet, host: string, options: DeviceLoginOptions): Promise<TokenPair> {
  const { onCode, signal, limitMs = LIMIT_MS } = options;
  const deadline = performance.now() + limitMs;
  for (let isFirst = true; ; isFirst = false) {
    const begun = await beginDevice(net, host, signal);
    throwIfCancelled(signal);
    if (begun.kind === 'failed') throw failure(begun.reason);
    const { userCode, verificationUri, verificationUriComplete, expiresInS } = begun;
    const lastsMs = Math.min(expiresInS * 1000, deadline - performance.now());
    onCode({ userCode, verificationUri, verificationUriComplete, expiresAt: Math.round(net.clock() + lastsMs) });
    // A server that gives out dead codes is asked no faster than one is polled.
    if (!isFirst) await pause(begun.intervalS, signal);
    const tokens = await pollToEnd(net, host, begun, { signal, deadline });
    if (tokens !== 'expired') return tokens;
  }
}

async function pollToEnd(
  net: OauthNet,
  host: string,
  { deviceCode, intervalS }: DeviceGrant,
  { signal, deadline }: { readonly signal: AbortSignal; readonly deadline: number },
): Promise<TokenPair | 'expired'> {
  let seconds = intervalS;
  let unanswered = 0;
  for (;;) {
    throwIfCancelled(signal);
    if (performance.now() >= deadline) throw failure('Nobody confirmed the code in time.');
    const outcome = await pollDevice(net, host, deviceCode, signal);
    throwIfCancelled(signal);
    switch (outcome.kind) {
      case 'granted':
        return outcome.tokens;
      case 'expired':
        return 'expired';
      case 'denied':
        throw failure('The login was denied.', 'Nothing was stored. To try again: `kmi login`.');
      case 'failed':
        throw failure(outcome.reason);
      case 'unreachable':
        unanswered += 1;
        if (unanswered >= UNREACHABLE_POLLS) throw failure(outcome.reason);
        break;
      case 'slow_down':
        seconds += SLOWER_S;
        unanswered = 0;
        break;
      case 'pending':
        unanswered = 0;
    }
    await pause(seconds, signal);
  }
}

async function pause(seconds: number, signal: AbortSignal): Promise<void> {
  await delay(seconds * 1000, undefined, { signal }).catch(() => undefined);
  throwIfCancelled(signal);
}

function throwIfCancelled({ aborted }: AbortSignal): void {
  if (aborted) throw failure('The login was cancelled.', 'Nothing was stored. To try again: `kmi login`.');
}

function failure(message: string, hint?: string): KmiError {
  return new KmiError('login_failed', message, hint === undefined ? {} : { hint });
}
