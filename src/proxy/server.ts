import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import fastify, { type FastifyInstance } from 'fastify';
import { isLoopbackHost } from '../config/kinds.ts';
import type { Config } from '../config/settings.ts';
import { standingOf } from '../core/standing.ts';
import type { Clock } from '../core/time.ts';
import { KmiError, reasonOf } from '../errors.ts';
import { VERSION } from '../version.ts';
import { hostGuard, tokenGuard } from './access.ts';
import { createForwarding } from './forwarding.ts';
import type { KeyPool } from './key-pool.ts';
import { sendError } from './own-answers.ts';
import type { LedgerPort, LogPort, TracePort } from './ports.ts';
import { isAnthropic, parseTarget } from './target.ts';
import { throttle } from './throttle.ts';
import { type ProxyEnvironment, Upstreams } from './upstreams.ts';
import { WaitingRoom } from './waiting-room.ts';

export type ProxyParts = {
  readonly config: Config;
  readonly pool: KeyPool;
  readonly ledger: LedgerPort;
  readonly trace: TracePort;
  readonly log: LogPort;
  readonly clock: Clock;
  readonly environment: ProxyEnvironment;
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
const HEADERS_TIMEOUT_MS = 60_000;
const MAX_HEADER_BYTES = 64 * 1024;

/**
 * Binds the proxy. A request starts here: access, rate limit, then forwarding. Requests under the base path go to it
 * straight from the socket; Fastify answers everything else. Throws `unsafe_bind`, `port_in_use`.
 */
export async function startProxy(parts: ProxyParts): Promise<RunningProxy> {
  const { config } = parts;
  checkBind(config);
  const upstreams = new Upstreams(config, parts.environment);
  const admit = admission(parts);
  const forward = createForwarding({ ...parts, upstreams, waitingRoom: new WaitingRoom(parts.pool) });
  let stopping = false;

  const onRequest =
    (app: (request: IncomingMessage, response: ServerResponse) => void) =>
    (request: IncomingMessage, response: ServerResponse) => {
      const url = request.url ?? '/';
      const isOurs = url.startsWith(config.proxyBasePath);
      if (stopping) response.shouldKeepAlive = false;
      try {
        admit.host(request);
        const target = isOurs ? parseTarget(url, config.proxyBasePath) : null;
        if (target === null) {
          app(request, response);
          return;
        }
        admit.client(request);
        forward(request, response, target).catch((error: unknown) => refuse(request, response, error));
      } catch (error) {
        refuse(request, response, error);
      }
    };

  const refuse = (request: IncomingMessage, response: ServerResponse, error: unknown): void => {
    const known =
      error instanceof KmiError ? error : new KmiError('internal', 'The proxy failed on this request.', { cause: error });
    if (!(error instanceof KmiError))
      parts.log.error('A request failed inside the proxy.', { reason: reasonOf(error), stack: stackOf(error) });
    // The rest of a refused body is not read.
    if (known.code === 'body_too_large') response.shouldKeepAlive = false;
    const path = (request.url ?? '').slice(config.proxyBasePath.length);
    sendError(response, known, { anthropic: isAnthropic(path.split('?', 1)[0] as string) });
  };

  let server!: Server;
  const app = fastify({
    serverFactory: (handler) => {
      server = newServer(config, onRequest(handler));
      return server;
    },
  });
  addRoutes(app, parts);
  await listen(app, config);

  const { port } = server.address() as AddressInfo;
  const origin = `${config.proxyTlsCert === '' ? 'http' : 'https'}://${urlHost(config.proxyListen.host)}:${port}`;
  return {
    origin,
    baseUrl: `${origin}${config.proxyBasePath}`,
    port,
    upstreams,
    async stop() {
      stopping = true;
      await app.close();
      await upstreams.destroy();
    },
    async destroy() {
      stopping = true;
      server.closeAllConnections();
      await app.close();
      await upstreams.destroy();
    },
  };
}

function admission({ config, clock }: ProxyParts): {
  host: (request: IncomingMessage) => void;
  client: (request: IncomingMessage) => void;
} {
  const token = tokenGuard(config);
  const limit = throttle(config, clock);
  return {
    host: hostGuard(config),
    client(request) {
      token?.(request);
      limit?.();
    },
  };
}

function newServer(config: Config, listener: (request: IncomingMessage, response: ServerResponse) => void): Server {
  const options = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_TIMEOUT_MS,
    // Uploads of 100 MB and thoughts of minutes are normal; the proxy's own timeouts watch the upstream.
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
  };
  if (config.proxyTlsCert === '') return createServer(options, listener);
  return createTlsServer({ ...options, ...readTlsFiles(config), minVersion: 'TLSv1.2' }, listener);
}

function readTlsFiles({ proxyTlsCert, proxyTlsKey }: Config): { cert: Buffer; key: Buffer } {
  try {
    return { cert: readFileSync(proxyTlsCert), key: readFileSync(proxyTlsKey) };
  } catch (error) {
    throw new KmiError('unsafe_bind', `The TLS certificate or key cannot be read (${reasonOf(error)}).`, {
      hint: 'Check KMI_PROXY_TLS_CERT and KMI_PROXY_TLS_KEY.',
      cause: error,
    });
  }
}

/** A bind that others can reach needs permission, TLS (own or in front) unless waived, and a token. */
function checkBind(config: Config): void {
  const { host } = config.proxyListen;
  if (isLoopbackHost(host)) return;
  const refuse = (reason: string, hint: string) => {
    throw new KmiError('unsafe_bind', `${host} can be reached from other machines, and ${reason}.`, { hint });
  };
  if (!config.proxyAllowRemote) refuse('remote use is not permitted', 'Bind to 127.0.0.1, or set KMI_PROXY_ALLOW_REMOTE=1.');
  const hasTls = config.proxyTlsCert !== '' || config.proxyTlsTerminated;
  if (config.proxyRequireTls && !hasTls) {
    refuse(
      'there is no TLS',
      'Set KMI_PROXY_TLS_CERT and KMI_PROXY_TLS_KEY, or KMI_PROXY_TLS_TERMINATED=1 when TLS ends in front of the proxy.',
    );
  }
  if (config.proxyToken === '') refuse('there is no client token', 'Set KMI_PROXY_TOKEN to a long random text.');
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

function addRoutes(app: FastifyInstance, { pool, clock }: ProxyParts): void {
  const startedAt = performance.now();
  app.get('/healthz', (_request, reply) => {
    reply.send({
      status: 'ok',
      name: 'kmi',
      version: VERSION,
      pid: process.pid,
      uptime_seconds: Math.floor((performance.now() - startedAt) / 1000),
      keys: countKeys(pool, clock()),
    });
  });
  app.setNotFoundHandler((_request, reply) => {
    reply.hijack();
    sendError(reply.raw, new KmiError('not_found', 'There is nothing at this path.'), { anthropic: false });
  });
}

function countKeys(pool: KeyPool, now: number): { total: number; ready: number; resting: number; out: number } {
  const counts = { total: pool.entries.length, ready: 0, resting: 0, out: 0 };
  for (const entry of pool.entries) {
    const standing = standingOf(entry, now);
    if (standing.is === 'ready') counts.ready += 1;
    else if (entry.state.cooldown !== null && standing.reason === entry.state.cooldown.reason) counts.resting += 1;
    else counts.out += 1;
  }
  return counts;
}

function urlHost(host: string): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return reachable.includes(':') ? `[${reachable}]` : reachable;
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
}
