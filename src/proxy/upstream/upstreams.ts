import type { Dispatcher } from 'undici';
import { isLoopbackHost } from '../../config/kinds.ts';
import type { Config } from '../../config/settings.ts';
import { type OutgoingProxy, pickProxy, type Variables } from '../../core/network/outgoing-proxy.ts';
import { createConnector } from './connector.ts';
import { Pool } from './undici.ts';

/** Environment variables that name a proxy, as curl and others read them. */
export type ProxyEnvironment = Variables;

/**
 * How long a connection may be idle. Most servers close theirs after 15 to 75 s without announcing it, and a close that is
 * seen costs nothing; one that is not (sleep, another network) ends with `renewAll` or the connection's own probes.
 */
const IDLE_MS = 5 * 60_000;
/** The same where a server announces a longer time (`Keep-Alive: timeout=`). */
const IDLE_MAX_MS = 10 * 60_000;
/** Ours end this much before an announced time, so that no request meets the server's close on the way. */
const IDLE_MARGIN_MS = 1_000;

/**
 * Connections to the upstreams: one pool per origin, never the limit of how many streams are in flight. Timeouts are
 * the proxy's own, so undici's are off. Redirects are never followed, nothing is remembered of cookies.
 */
export class Upstreams {
  readonly #config: Config;
  readonly #environment: ProxyEnvironment;
  readonly #dispatchers = new Map<string, Dispatcher>();
  /** Replaced dispatchers that still carry streams. */
  readonly #retired = new Set<Dispatcher>();

  constructor(config: Config, environment: ProxyEnvironment) {
    this.#config = config;
    this.#environment = environment;
  }

  /** The dispatcher for an origin such as `https://api.kimi.com`. */
  for(origin: string): Dispatcher {
    let dispatcher = this.#dispatchers.get(origin);
    if (dispatcher === undefined) {
      dispatcher = this.#create(origin);
      this.#dispatchers.set(origin, dispatcher);
    }
    return dispatcher;
  }

  /**
   * A dispatcher for one request that has to be handed over at once. Its connection is new: a kept one may turn out to be
   * dead, and a body that is not held cannot be sent again.
   */
  forOne(origin: string): Dispatcher {
    const dispatcher = this.#create(origin);
    queueMicrotask(() => this.#retire(dispatcher));
    return dispatcher;
  }

  /**
   * New requests get new connections; streams under way go on with their old ones. `failed` limits it to the dispatcher
   * a failure was seen on, so that one burst of failures replaces it once.
   */
  renew(origin: string, failed?: Dispatcher): void {
    const current = this.#dispatchers.get(origin);
    if (current === undefined || (failed !== undefined && failed !== current)) return;
    this.#dispatchers.delete(origin);
    this.#retire(current);
  }

  renewAll(): void {
    for (const origin of [...this.#dispatchers.keys()]) this.renew(origin);
  }

  #retire(dispatcher: Dispatcher): void {
    this.#retired.add(dispatcher);
    dispatcher.close().then(
      () => this.#retired.delete(dispatcher),
      () => this.#retired.delete(dispatcher),
    );
  }

  /** Ends every connection at once. */
  async destroy(): Promise<void> {
    const all = [...this.#dispatchers.values(), ...this.#retired];
    this.#dispatchers.clear();
    await Promise.all(all.map((dispatcher) => dispatcher.destroy().catch(() => undefined)));
  }

  #create(origin: string): Dispatcher {
    const { upstreamProxy, proxyConnectTimeoutSeconds } = this.#config;
    return new Pool(origin, {
      connections: null,
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: IDLE_MS,
      keepAliveMaxTimeout: IDLE_MAX_MS,
      keepAliveTimeoutThreshold: IDLE_MARGIN_MS,
      maxHeaderSize: 64 * 1024,
      connect: createConnector(
        new URL(origin),
        proxyFor(origin, upstreamProxy, this.#environment),
        proxyConnectTimeoutSeconds * 1000,
      ),
    });
  }
}

/**
 * The proxy for calls to an origin, or null for a direct connection: loopback is always direct, then
 * `KMI_UPSTREAM_PROXY`, then HTTPS_PROXY or ALL_PROXY unless NO_PROXY names the host.
 */
export function proxyFor(origin: string, setting: string, environment: ProxyEnvironment): OutgoingProxy | null {
  const url = new URL(origin);
  return isLoopbackHost(url.hostname) ? null : pickProxy(url, setting, environment);
}
