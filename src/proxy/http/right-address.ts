import type { IncomingMessage } from 'node:http';
import type { Config } from '../../config/settings.ts';

/** Where a client that came to the wrong path is to be pointed, by the name it called the proxy by. */
export function rightAddress({ proxyBasePath, proxyTlsCert, proxyTlsTerminated }: Config, request: IncomingMessage): string {
  const scheme = proxyTlsCert !== '' || proxyTlsTerminated ? 'https' : 'http';
  // Clients of Anthropic's protocol put the /v1 themselves.
  const path = asksAnthropic(request.url ?? '') && proxyBasePath.endsWith('/v1') ? proxyBasePath.slice(0, -3) : proxyBasePath;
  return `Set the client's base URL to ${scheme}://${request.headers.host}${path}, without a slash at its end.`;
}

/** Whether a URL, wherever it points, is one of Anthropic's protocol: the form its client reads errors in. */
export function asksAnthropic(url: string): boolean {
  return /^[^?]*\/messages(?:\/|\?|$)/.test(url);
}
