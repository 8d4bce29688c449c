import { request as httpRequest } from 'node:http';
import type { Socket } from 'node:net';
import { proxyGaveUp, proxySpeaksOtherwise, tunnelRefused } from '../../core/network/connect-failure.ts';
import { networkCode } from '../../core/network/network-words.ts';
import type { OutgoingProxy, ProxyAddress } from '../../core/network/outgoing-proxy.ts';

/** Has an HTTP proxy (CONNECT, RFC 9110 section 9.3.6) lead an open connection to `hostname:port`. Throws `ConnectFailure`. */
export function openHttpTunnel(
  socket: Socket,
  via: OutgoingProxy & ProxyAddress,
  { hostname, port }: { readonly hostname: string; readonly port: number },
): Promise<void> {
  const way = { host: hostname, via };
  const authority = `${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`;
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      method: 'CONNECT',
      path: authority,
      headers: { host: authority, connection: 'keep-alive', 'proxy-connection': 'keep-alive', ...credentialOf(via) },
      createConnection: () => socket,
    });
    request.once('connect', ({ statusCode = 0, headers }, _socket, behind: Buffer) => {
      if (statusCode < 200 || statusCode > 299) reject(tunnelRefused(way, statusCode, headers['proxy-authenticate'] ?? ''));
      if (behind.length > 0) socket.unshift(behind);
      resolve();
    });
    request.on('error', (error) => {
      const isNoHttp = networkCode(error)?.startsWith('HPE_') === true;
      reject(isNoHttp ? proxySpeaksOtherwise(via) : proxyGaveUp(way, null));
    });
    request.end();
  });
}

function credentialOf({ user, password }: ProxyAddress): Record<string, string> {
  if (user === null) return {};
  return { 'proxy-authorization': `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}
