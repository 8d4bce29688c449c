import type { App } from '../app.ts';
import { startNotifier } from '../notify/notifier.ts';
import { createSender } from '../notify/send.ts';
import { plainPost } from '../proxy/upstream/plain-post.ts';
import type { Serving } from './build.ts';

/** Tells a person what happens to the keys, where KMI_NOTIFY says. Returns how to stop. What is made up is no news. */
export function startNotices({ config, clock, environment }: App, { pool, proxy, log }: Serving): () => void {
  const { notify, dryRun, isSimulated, timezone: zone } = config;
  if (notify === '' || dryRun || isSimulated === true) return () => undefined;
  const post: Parameters<typeof createSender>[1]['post'] = (url, body, options) => plainPost(proxy.upstreams, url, body, options);
  const sender = createSender(notify, { environment, post });
  const notifier = startNotifier({ candidates: () => pool.entries, sender, clock, zone, log });
  const stops = [pool.onPenalty(notifier.poke), pool.onChange(notifier.poke), notifier.stop];
  return () => {
    for (const stop of stops) stop();
  };
}
