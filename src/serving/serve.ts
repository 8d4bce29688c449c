import type { App } from '../app.ts';
import { modeOf } from '../core/clients/proxy-mode.ts';
import type { Log } from '../log.ts';
import type { KeyPool } from '../proxy/pool/key-pool.ts';
import type { RunningProxy } from '../proxy/server.ts';
import { startBackground } from './background.ts';
import { buildProxy } from './build.ts';

export type ServingApp = {
  readonly proxy: RunningProxy;
  readonly pool: KeyPool;
  readonly log: Log;
  /** Open streams finish; then everything is written and closed. */
  stop(): Promise<void>;
  /** Ends open streams too. */
  kill(): Promise<void>;
};

/** Starts the proxy with everything it needs in the background. Throws `unsafe_bind`, `port_in_use`, `loop`. */
export async function serve(app: App): Promise<ServingApp> {
  const serving = await buildProxy(app);
  const { proxy, pool, log, affinityFiles, quotaFile, trace, usage } = serving;
  const stopBackground = startBackground(app, serving);
  log.info('The proxy serves.', {
    url: proxy.baseUrl,
    mode: modeOf(app.config),
    keys: app.registry.keys.length,
    pid: process.pid,
  });
  const stopAll = async (endRequests: () => Promise<void>) => {
    stopBackground();
    await endRequests();
    await affinityFiles.close();
    await quotaFile.close();
    await trace.close();
    await usage.close();
    log.info('The proxy stopped.');
    await app.close();
  };
  return { proxy, pool, log, stop: () => stopAll(() => proxy.stop()), kill: () => stopAll(() => proxy.destroy()) };
}
