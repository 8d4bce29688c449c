import type { Socket } from 'node:net';
import type { buildConnector as Build } from 'undici';
import {
  ConnectFailure,
  proxyGaveUp,
  proxyUnreached,
  proxyUnusable,
  upstreamFailure,
} from '../../core/network/connect-failure.ts';
import type { OutgoingProxy, ProxyAddress } from '../../core/network/outgoing-proxy.ts';
import { openHttpTunnel } from './http-tunnel.ts';
import { openSocksTunnel } from './socks-tunnel.ts';
import { buildConnector } from './undici.ts';

export type Connector = ReturnType<typeof Build>;

/** Asks an idle connection's other end for a sign of life, which also keeps its place in routers that forget. */
const PROBE_IDLE_MS = 30_000;

/**
 * Opens connections to one upstream: directly, or through the outgoing proxy's tunnel. Every step may take `connectMs`
 * (0: as long as it likes). What goes wrong is a `ConnectFailure`.
 */
export function createConnector(upstream: URL, via: OutgoingProxy | null, connectMs: number): Connector {
  const host = upstream.hostname.replace(/^\[|\]$/g, '');
  const port = Number(upstream.port) || (upstream.protocol === 'https:' ? 443 : 80);
  const connect = buildConnector({
    timeout: connectMs,
    keepAliveInitialDelay: PROBE_IDLE_MS,
    // Said out loud, or NODE_TLS_REJECT_UNAUTHORIZED=0 would send keys to whoever shows a certificate of his own.
    rejectUnauthorized: true,
  });
  const explained =
    (callback: Build.Callback): Build.Callback =>
    (...[error, socket]) => {
      if (error === null) callback(null, socket);
      else callback(upstreamFailure({ host, via }, error), null);
    };
  if (via === null) return (options, callback) => connect(options, explained(callback));
  if ('problem' in via) {
    const failure = proxyUnusable(via, via.problem);
    return (_options, callback) => queueMicrotask(() => callback(failure, null));
  }
  return (options, callback) => {
    openTunnel(connect, via, { hostname: host, port }, connectMs).then(
      (tunnel) => {
        if (options.protocol === 'https:') connect({ ...options, httpSocket: tunnel }, explained(callback));
        else callback(null, tunnel);
      },
      (error: Error) => callback(error, null),
    );
  };
}

async function openTunnel(
  connect: Connector,
  via: OutgoingProxy & ProxyAddress,
  target: { readonly hostname: string; readonly port: number },
  connectMs: number,
): Promise<Socket> {
  const socket = await openToProxy(connect, via);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = connectMs > 0;
    if (isLate) socket.destroy();
  }, connectMs);
  try {
    await (via.protocol === 'socks5' ? openSocksTunnel : openHttpTunnel)(socket, via, target);
    return socket;
  } catch (error) {
    socket.destroy();
    const way = { host: target.hostname, via };
    if (isLate) throw proxyGaveUp(way, connectMs);
    throw error instanceof ConnectFailure ? error : proxyGaveUp(way, null);
  } finally {
    clearTimeout(timer);
  }
}

function openToProxy(connect: Connector, via: OutgoingProxy & ProxyAddress): Promise<Socket> {
  const { hostname, port, protocol } = via;
  const options = { hostname, host: hostname, port: String(port), protocol: protocol === 'https' ? 'https:' : 'http:' };
  return new Promise((resolve, reject) => {
    connect(options, (...[error, socket]) => {
      if (error === null) resolve(socket);
      else reject(proxyUnreached(via, error));
    });
  });
}
