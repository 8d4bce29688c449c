import { isAllowedHost } from '../../../config/kinds.ts';
import type { Config } from '../../../config/settings.ts';
import { kimiProductAt } from '../../../core/network/kimi-hosts.ts';
import { KmiError } from '../../../errors.ts';
import { REGIONS, type Region } from '../../../logins/login.ts';

export type LoginPlace = {
  readonly region: Region;
  /** Where the login is made. */
  readonly oauthHost: string;
  /** Where its requests go. */
  readonly baseUrl: string;
  /** The region was neither asked for nor told by a setting. */
  readonly isGuess: boolean;
};

type Settings = Pick<Config, 'upstreamBaseUrl' | 'upstreamAllowlist' | 'oauthHost'>;

/**
 * Where a login of one's own is made and used: at the hosts of its region, but for a gateway or a simulator, which settings name. An
 * address of Kimi's in the settings is for keys; of it only the region counts. Throws `bad_usage`.
 */
export function placeOfLogin({ upstreamBaseUrl, upstreamAllowlist, oauthHost }: Settings, asked: Region | null): LoginPlace {
  const { hostname } = new URL(upstreamBaseUrl);
  const stated = asked ?? regionAt(hostname);
  const region = stated ?? 'mainland-cn';
  const place = {
    region,
    oauthHost: oauthHost === '' ? REGIONS[region].oauthHost : oauthHost,
    baseUrl: kimiProductAt(hostname) === null ? upstreamBaseUrl : REGIONS[region].baseUrl,
  };
  if (!isAllowedHost(place.baseUrl, upstreamAllowlist)) {
    throw new KmiError(
      'bad_usage',
      `The API of this login is ${new URL(place.baseUrl).host}, which KMI_UPSTREAM_ALLOWLIST does not list.`,
      {
        hint: 'Add it there, or name another region with --region.',
      },
    );
  }
  const isGuess = asked === null && region === 'mainland-cn' && oauthHost === '' && kimiProductAt(hostname) !== null;
  return { ...place, isGuess };
}

export function parseRegion(text: string | undefined): Region | null {
  if (text === undefined) return null;
  const region = (Object.keys(REGIONS) as Region[]).find((name) => name === text.trim().toLowerCase());
  if (region !== undefined) return region;
  throw new KmiError('bad_usage', `--region ${text.slice(0, 40)}: takes mainland-cn (kimi.com) or global (kimi.ai).`);
}

/** The region whose API a host is; null for all others. */
function regionAt(hostname: string): Region | null {
  return (Object.keys(REGIONS) as Region[]).find((name) => new URL(REGIONS[name].baseUrl).hostname === hostname) ?? null;
}
