import type { App } from '../app.ts';
import type { Network } from '../doctor/run.ts';

const BODY_MAX_CHARS = 64 * 1024;

/** Calls that go out the way the proxy's do: same pools, same outgoing proxy, same timeouts for connecting. */
export async function openNetwork({
  config,
  environment,
}: Pick<App, 'config' | 'environment'>): Promise<Network & { close(): Promise<void> }> {
  const { proxyFor, Upstreams } = await import('../proxy/upstreams.ts');
  const upstreams = new Upstreams(config, environment);
  return {
    proxyFor: (origin) => proxyFor(origin, config.upstreamProxy, environment),
    async get(url, { signal, headers = {} }) {
      const { origin, pathname } = new URL(url);
      const response = await upstreams.for(origin).request({ origin, path: pathname, method: 'GET', headers, signal });
      let body = '';
      for await (const chunk of response.body.setEncoding('utf8')) {
        body += chunk;
        if (body.length > BODY_MAX_CHARS) break;
      }
      return { status: response.statusCode, headers: response.headers, body };
    },
    close: () => upstreams.destroy(),
  };
}
