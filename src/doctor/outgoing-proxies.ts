import type { Config } from '../config/settings.ts';

const VARIABLES = ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY'];

/** What the settings and the environment name as proxies for outgoing calls, by variable. */
export function outgoingProxies(
  { upstreamProxy }: Pick<Config, 'upstreamProxy'>,
  environment: Readonly<Record<string, string | undefined>>,
): ReadonlyMap<string, string> {
  const named = new Map<string, string>();
  if (upstreamProxy !== '') named.set('KMI_UPSTREAM_PROXY', upstreamProxy);
  for (const variable of VARIABLES) {
    const value = (environment[variable] ?? environment[variable.toLowerCase()] ?? '').trim();
    if (value !== '') named.set(variable, value);
  }
  return named;
}
