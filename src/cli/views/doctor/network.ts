import type { App } from '../../../app.ts';
import type { Network } from '../../../doctor/run.ts';

/** Calls that go out the way the proxy's do: same pools, same outgoing proxy, same timeouts for connecting. */
export async function openNetwork({
  config,
  environment,
}: Pick<App, 'config' | 'environment'>): Promise<Network & { close(): Promise<void> }> {
  const [{ proxyFor, Upstreams }, { plainGet }] = await Promise.all([
    import('../../../proxy/upstream/upstreams.ts'),
    import('../../../proxy/upstream/plain-get.ts'),
  ]);
  const upstreams = new Upstreams(config, environment);
  return {
    proxyFor: (origin) => proxyFor(origin, config.upstreamProxy, environment),
    get: (url, options) => plainGet(upstreams, url, options),
    close: () => upstreams.destroy(),
  };
}
