import type { Config } from '../../config/settings.ts';
import { KmiError } from '../../errors.ts';
import type { Guard } from './access.ts';
import { isAllowedOrigin } from './cross-origin.ts';

/**
 * Refuses what a browser sends on behalf of a page of another site. Such a request has an `Origin` only where the page
 * could read the answer or sends a body; images, scripts, frames and links have none, and would reach the upstream and
 * cost quota. All of them carry `Sec-Fetch-Site` (Fetch Metadata), which no page can set or remove. `same-site` is
 * another port of this machine. An origin of KMI_PROXY_ALLOWED_ORIGINS may call; programs send none of this.
 */
export function crossSiteGuard(config: Config): Guard {
  const allowed = new Set(config.proxyAllowedOrigins);
  return ({ fetchSite, origin }) => {
    if (fetchSite === null || fetchSite === 'none' || fetchSite === 'same-origin') return;
    if (origin !== null && isAllowedOrigin(origin, allowed)) return;
    throw new KmiError('forbidden_origin', 'Web pages of other sites may not call the proxy.');
  };
}
