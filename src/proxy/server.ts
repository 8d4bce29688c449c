/*
 * The stops of a request, in order:
 *   1. here: the socket's listener; what lies outside the base path goes to Fastify
 *   2. http/headers takes the head apart; gate/ decides whether to admit this client
 *   3. exchange/exchange waits for the body as far as it must and reads what ties the request to an account
 *   4. pool/key-pool chooses a key
 *   5. exchange/attempt asks the upstream; the answer passes record/ on its way to exchange/relay
 *   6. core/failover/next-step says what follows a failed attempt; the exchange does it
 *   7. record/recorder writes books and trace, once the answers of the moment have gone
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import fastify, { type FastifyInstance } from 'fastify';
import type { Config } from '../config/settings.ts';
import { KnownPlaces } from '../core/json/top-level-member.ts';
import type { Clock } from '../core/text/time.ts';
import { KmiError, reasonOf } from '../errors.ts';
import { Exchange } from './exchange/exchange.ts';
import { shareExchangeParts } from './exchange/exchange-parts.ts';
import { dropRest } from './exchange/request-body.ts';
import { framingGuard, type Guard, hostGuard, tokenGuard } from './gate/access.ts';
import { affordableConnections, superviseConnections } from './gate/connections.ts';
import { CrossOrigin } from './gate/cross-origin.ts';
import { crossSiteGuard } from './gate/cross-site.ts';
import { FailedTokens, slowGuesses } from './gate/failed-tokens.ts';
import { throttle } from './gate/throttle.ts';
import { readTls, reloadTls } from './gate/tls-files.ts';
import { addHealthz, type HealthzParts } from './healthz.ts';
import { sendError } from './http/error-responses.ts';
import { readHead } from './http/headers.ts';
import { asksAnthropic, rightAddress } from './http/right-address.ts';
import { Routes } from './http/route.ts';
import type { KeyPool } from './pool/key-pool.ts';
import type { DryRunPort, LedgerPort, LogPort, TracePort, UsagePort } from './ports.ts';
import type { DeferredWork } from './record/deferred-work.ts';
import { Recorder } from './record/recorder.ts';
import { refuseStart } from './refuse-start.ts';
import { LoopGuard } from './upstream/loop-guard.ts';
import { type ProxyEnvironment, Upstreams } from './upstream/upstreams.ts';

export type ProxyParts = {
  readonly config: Config;
  readonly pool: KeyPool;
  readonly ledger: LedgerPort;
  readonly trace: TracePort;
  readonly usage: UsagePort;
  readonly log: LogPort;
  readonly clock: Clock;
  readonly environment: ProxyEnvironment;
  /** Where books and trace wait until the answers have gone. */
  readonly deferred: DeferredWork;
  /** Null when requests are sent. */
  readonly dryRun: DryRunPort | null;
};

export type RunningProxy = {
  /** `http://127.0.0.1:54123`, with the port really bound. */
  readonly origin: string;
  /** What an OpenAI-style client is pointed at. */
  readonly baseUrl: string;
  readonly port: number;
  readonly upstreams: Upstreams;
  /** Takes no new connections, lets requests under way finish, then resolves. */
  stop(): Promise<void>;
  /** Ends everything at once. */
  destroy(): Promise<void>;
};

/** Agents keep connections and come back after long thoughts; shorter than this would race with their reuse. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
/** No route has a schema; without these Fastify loads two compilers of schemas, a tenth of the cold start (`npm run bench -- --only start`). */
const NO_SCHEMAS = { compilersFactory: { buildValidator: noSchema, buildSerializer: noSchema } };
/** A TLS handshake takes two exchanges. */
const HANDSHAKE_TIMEOUT_MS = 15_000;
const REAP_MS = 50;
const MAX_HEADER_BYTES = 64 * 1024;

/**
 * Binds the proxy. A request starts here: access, rate limit, then its `Exchange`. Requests under the base path
 * go straight from the socket; Fastify answers everything else. Throws `unsafe_bind`, `port_in_use`, `loop`.
 */
export async function startProxy(parts: ProxyParts): Promise<RunningProxy> {
  const { config } = parts;
  refuseStart(config, parts.environment);
  const loops = new LoopGuard();
  const upstreams = new Upstreams(config, parts.environment);
  const admit = admission(parts);
  const crossOrigin = CrossOrigin.of(config);
  const routes = new Routes(config.proxyBasePath);
  let stopping = false;
  let requests = 0;

  const onRequest =
    (app: (request: IncomingMessage, response: ServerResponse) => void) =>
    (request: IncomingMessage, response: ServerResponse) => {
      if (stopping) response.shouldKeepAlive = false;
      try {
        const head = readHead(request.rawHeaders);
        if (head.origin !== null) crossOrigin?.open(head.origin, response);
        admit.host(head, request);
        if (head.origin !== null && crossOrigin?.answered(request, response) === true) return;
        const route = routes.of(request.url ?? '/');
        if (route === null) {
          app(request, response);
          return;
        }
        if (head.wantsWebSocket) throw new KmiError('upgrade_refused', 'The proxy speaks no WebSocket.');
        requests += 1;
        admit.client(head, request);
        if (head.via !== null) loops.check(head.via);
        new Exchange(shared, request, response, head, route).start();
      } catch (error) {
        refuse(request, response, error);
      }
    };

  const refuse = (request: IncomingMessage, response: ServerResponse, error: unknown): void => {
    const known =
      error instanceof KmiError ? error : new KmiError('internal', 'The proxy failed on this request.', { cause: error });
    if (!(error instanceof KmiError))
      parts.log.error('A request failed inside the proxy.', { reason: reasonOf(error), stack: stackOf(error) });
    const said = known.code === 'bad_path' ? withHint(known, rightAddress(config, request)) : known;
    // What follows on such a connection may be anything.
    if (known.code === 'bad_framing') response.shouldKeepAlive = false;
    sendError(response, said, { anthropic: asksAnthropic(request.url ?? '') });
    dropRest(request);
  };

  const places = new KnownPlaces();
  const { affinityStore } = parts.pool;
  const recorder = new Recorder({ ...parts, affinityStore, places, isDryRun: parts.dryRun !== null });
  const shared = shareExchangeParts({ ...parts, upstreams, loops, recorder, places, refuse });

  // One, or for `localhost` one for each of its addresses.
  const servers: Server[] = [];
  const app = fastify({
    schemaController: NO_SCHEMAS,
    serverFactory: (handler) => {
      const server = newServer(parts, onRequest(handler));
      servers.push(server);
      return server;
    },
  });
  addRoutes(app, config, { ...parts, requests: () => requests, failures: () => recorder.failureRun });
  await listen(app, config);

  const close = async (): Promise<void> => {
    stopping = true;
    const closed = servers.filter((server) => server.listening).map((server) => once(server, 'close'));
    // A connection that was busy when the server began to close stays open for as long as its client keeps it.
    const reaper = setInterval(() => {
      for (const server of servers) server.closeIdleConnections();
    }, REAP_MS);
    try {
      await app.close();
      await Promise.all(closed);
    } finally {
      clearInterval(reaper);
    }
    await upstreams.destroy();
    await recorder.finish();
  };

  const { port } = (servers[0] as Server).address() as AddressInfo;
  const origin = `${config.proxyTlsCert === '' ? 'http' : 'https'}://${urlHost(config.proxyListen.host)}:${port}`;
  return {
    origin,
    baseUrl: `${origin}${config.proxyBasePath}`,
    port,
    upstreams,
    stop: close,
    async destroy() {
      const closed = close();
      for (const server of servers) server.closeAllConnections();
      await closed;
    },
  };
}

function admission({ config, clock }: ProxyParts): {
  host: Guard;
  client: Guard;
} {
  const wanted = tokenGuard(config);
  // Behind somebody else's TLS every client has the same address, and one who guesses would lock out all the others.
  const token = wanted === null || config.proxyTlsTerminated ? wanted : slowGuesses(wanted, new FailedTokens(clock));
  const limit = throttle(config, clock);
  const host = hostGuard(config);
  const crossSite = crossSiteGuard(config);
  const framing = framingGuard();
  return {
    host(head, request) {
      host(head, request);
      crossSite(head, request);
      framing(head, request);
    },
    client(head, request) {
      // An upstream that answers TRACE sends back what it got, and with it the key.
      if (request.method === 'TRACE') throw new KmiError('bad_method', 'The proxy does not forward TRACE.');
      token?.(head, request);
      limit?.();
    },
  };
}

function newServer({ config, log }: ProxyParts, listener: (request: IncomingMessage, response: ServerResponse) => void): Server {
  const headersTimeout = config.proxyHeaderTimeoutSeconds * 1000;
  const options = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout,
    // How often Node looks for connections that are over their time.
    connectionsCheckingInterval: Math.min(headersTimeout / 2, 10_000),
    // Uploads of 100 MB and thoughts of minutes are normal; silence inside a body is watched below.
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    // Not to be loosened from outside: NODE_OPTIONS=--insecure-http-parser lets smuggled requests through.
    insecureHTTPParser: false,
  };
  const isTls = config.proxyTlsCert !== '';
  const server = isTls
    ? createTlsServer({ ...options, ...readTls(config), handshakeTimeout: HANDSHAKE_TIMEOUT_MS })
    : createServer(options);
  if (isTls) reloadTls(server, config, log);
  const noteRequest = superviseConnections(server, {
    max: affordableConnections(config.proxyMaxConnections),
    bodyTimeoutMs: config.proxyBodyTimeoutSeconds * 1000,
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    noteRequest(request, response);
    listener(request, response);
  });
  return server;
}

async function listen(app: FastifyInstance, { proxyListen: { host, port } }: Config): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === 'EADDRINUSE')
      throw new KmiError('port_in_use', `Port ${port} on ${host} is taken by another program.`, { cause: error });
    throw new KmiError('port_in_use', `The proxy cannot bind ${host}:${port} (${reason}).`, {
      hint: 'Check KMI_PROXY_LISTEN.',
      cause: error,
    });
  }
}

function addRoutes(app: FastifyInstance, config: Config, parts: HealthzParts): void {
  addHealthz(app, parts);
  // Bodies sent to paths that take none are not looked at.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  app.setNotFoundHandler(({ raw: request }, reply) => {
    reply.hijack();
    const error = new KmiError('not_found', 'There is nothing at this path.', { hint: rightAddress(config, request) });
    sendError(reply.raw, error, { anthropic: asksAnthropic(request.url ?? '') });
  });
}

function urlHost(host: string): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return reachable.includes(':') ? `[${reachable}]` : reachable;
}

function withHint({ code, message }: KmiError, hint: string): KmiError {
  return new KmiError(code, message, { hint });
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
}

function noSchema(): never {
  throw new Error('A route of the proxy has a schema, and no compiler for it.');
}
