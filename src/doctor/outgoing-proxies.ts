import type { Config } from '../config/settings.ts';
import { isDirect, type OutgoingProxy, parseProxy, readVariable, type Variables } from '../core/network/outgoing-proxy.ts';

const NAMES = ['https_proxy', 'http_proxy', 'all_proxy'];

/** What the settings and the environment name as proxies for outgoing calls, each by the variable as it is spelled there. */
export function outgoingProxies(
  { upstreamProxy }: Pick<Config, 'upstreamProxy'>,
  environment: Variables,
): readonly OutgoingProxy[] {
  if (isDirect(upstreamProxy)) return [];
  const named: OutgoingProxy[] = [];
  if (upstreamProxy !== '') named.push({ ...parseProxy(upstreamProxy), variable: 'KMI_UPSTREAM_PROXY' });
  for (const name of NAMES) {
    const found = readVariable(environment, name);
    if (found !== null) named.push({ ...parseProxy(found.value), variable: found.variable });
  }
  return named;
}
