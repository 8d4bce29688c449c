import { type Agent, buildConnector, type Dispatcher, Pool, ProxyAgent } from 'undici';
import { isLoopbackHost } from '../config/kinds.ts';
import type { Config } from '../config/settings.ts';
import { socksAgent } from './socks-agent.ts';

/** Environment variables that name a proxy, as curl and others read them. */
export type ProxyEnvironment = Readonly<Record<string, string | undefined>>;

/** Sockets idle for longer may have died silently (sleep, VPN change), so they are not used again. */
const KEEP_ALIVE_MS = 10_000;
const KEEP_ALIVE_MAX_MS = 10_000;

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
    const connectMs = this.#config.proxyConnectTimeoutSeconds * 1000;
    const options = {
      connections: null,
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
      maxHeaderSize: 64 * 1024,
    } satisfies Pool.Options;
    const proxy = proxyFor(origin, this.#config.upstreamProxy, this.#environment);
    // Said out loud, or NODE_TLS_REJECT_UNAUTHORIZED=0 would send keys to whoever shows a certificate of his own.
    const connect = { timeout: connectMs, rejectUnauthorized: true };
    if (proxy === null) return new Pool(origin, { ...options, connect });
    if (proxy.startsWith('socks')) {
      return socksAgent(proxy.replace(/^socks5h:/, 'socks5:'), {
        ...options,
        connect: buildConnector(connect),
        // Read by undici, missing from its types.
        ...({ requestTls: connect } as object),
      });
    }
    return new ProxyAgent({
      ...options,
      uri: proxy,
      proxyTls: connect,
      requestTls: connect,
      proxyTunnel: true,
    } as ProxyAgent.Options & Agent.Options);
  }
}

/**
 * The proxy URL for calls to an origin, or null for a direct connection: loopback is always direct, then
 * `KMI_UPSTREAM_PROXY`, then HTTPS_PROXY or ALL_PROXY unless NO_PROXY names the host.
 */
export function proxyFor(origin: string, setting: string, environment: ProxyEnvironment): string | null {
  const { hostname } = new URL(origin);
  if (isLoopbackHost(hostname)) return null;
  if (setting !== '') return setting;
  const usual = read(environment, 'https_proxy') ?? read(environment, 'all_proxy');
  return usual === undefined || isExempt(hostname, read(environment, 'no_proxy') ?? '') ? null : usual;
}

function read(environment: ProxyEnvironment, name: string): string | undefined {
  const value = environment[name] ?? environment[name.toUpperCase()];
  return value === undefined || value.trim() === '' ? undefined : value.trim();
}

function isExempt(hostname: string, noProxy: string): boolean {
  return noProxy
    .split(/[,\s]+/)
    .map((entry) =>
      entry
        .toLowerCase()
        .replace(/:\d+$/, '')
        .replace(/^\*?\./, ''),
    )
    .some((entry) => entry === '*' || (entry !== '' && (hostname === entry || hostname.endsWith(`.${entry}`))));
}
