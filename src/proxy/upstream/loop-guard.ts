import { randomBytes } from 'node:crypto';
import { isOwnAddress, isOwnPlace } from '../../config/own-address.ts';
import type { Config } from '../../config/settings.ts';
import { KmiError } from '../../errors.ts';
import { type ProxyEnvironment, proxyFor } from './upstreams.ts';

/**
 * Finds requests that come back: the upstream is this proxy under a name nobody could know at the start, or another proxy
 * that has this one as its upstream. What goes round is marked by `Via`, as RFC 9110 section 7.6.3 has it. A request that
 * comes back does so while its first round is still open, so a request that is alone needs no mark and goes out as it came;
 * and no mark goes to the Kimi API itself.
 */
export class LoopGuard {
  readonly #name = `kmi-${randomBytes(6).toString('hex')}`;
  /** The value of `Via` for a request that may be one round of a loop. */
  readonly mark = `1.1 ${this.#name}`;
  #open = 0;

  began(): void {
    this.#open += 1;
  }

  ended(): void {
    this.#open -= 1;
  }

  /** Whether another request is under way. */
  get mayLoop(): boolean {
    return this.#open > 1;
  }

  /** Throws `loop` when one of the proxies a request came through is this one. */
  check(via: string): void {
    if (via.includes(this.#name))
      throw new KmiError('loop', 'The request came back to this proxy: its upstream leads to itself.');
  }
}

/** Throws `loop` for an upstream, or an outgoing proxy on the way to it, that is known to be this proxy. */
export function refuseOwnAddress(config: Config, environment: ProxyEnvironment): void {
  const { upstreamBaseUrl, proxyListen } = config;
  if (isOwnAddress(upstreamBaseUrl, proxyListen)) {
    throw new KmiError('loop', `KMI_UPSTREAM_BASE_URL, ${upstreamBaseUrl}, is the address of this proxy itself.`);
  }
  const outgoing = proxyFor(new URL(upstreamBaseUrl).origin, config.upstreamProxy, environment);
  if (outgoing === null || 'problem' in outgoing || !isOwnPlace(outgoing, proxyListen)) return;
  throw new KmiError('loop', `${outgoing.variable} names this proxy itself as the way to the upstream.`, {
    hint: `Unset it, or name the proxy that leads out of this network. kmi is called by clients as their base URL.`,
  });
}
