import { type App, candidatesOf } from '../../../app.ts';
import { isReady } from '../../../core/choosing/eligibility.ts';
import { isStrategy, rotationInForce, STRATEGY_FACTS } from '../../../core/choosing/strategy.ts';
import type { ProxyProbe } from '../../../daemon/probe.ts';
import { activeIndexOf } from '../../keys/active-key.ts';

/**
 * Label of the key that serves the next request without a session; null when none can. A running proxy knows best; without one
 * it is what one that starts now would do.
 */
export async function labelOfNext(app: App, probe: ProxyProbe): Promise<string | null> {
  const { config, ledger, registry, clock } = app;
  if (probe.kind === 'running' && probe.nextKeyHash !== undefined) {
    return registry.keys.find(({ hash }) => hash === probe.nextKeyHash)?.label ?? null;
  }
  // The usual case needs no pool, which takes longer to load than all else that is shown.
  const active = candidatesOf(app)[activeIndexOf(app)];
  const isManual = rotationInForce(ledger, config) === null && !config.requireUsageBeforeRequest;
  if (isManual && active !== undefined && isReady(active, clock())) return active.key.label;
  const { KeyPool } = await import('../../../proxy/pool/key-pool.ts');
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  return (
    new KeyPool({ config, ledger, clock, log: silent, deferred: { catchUp: () => undefined } }, registry.keys).next()?.label ??
    null
  );
}

/**
 * Whether the key of the next request depends on its session, so that it is unknown until the request comes. Nearly
 * every chat has one, if only by how its conversation begins.
 */
export function hangsOnSession(rotation: string | null): boolean {
  return isStrategy(rotation) && STRATEGY_FACTS[rotation].keepsSessions;
}
