import { isAllowedHost } from '../../../config/kinds.ts';
import type { Config } from '../../../config/settings.ts';
import { REGION_NAMES, type Region } from '../../../core/keys/key.ts';
import { kimiProductAt } from '../../../core/network/kimi-hosts.ts';
import { KmiError } from '../../../errors.ts';
import { type Login, REGIONS } from '../../../logins/login.ts';
import type { CommandContext } from '../../command/context.ts';

export type LoginPlace = {
  readonly region: Region;
  /** Where the login is made. */
  readonly oauthHost: string;
  /** Where its requests go. */
  readonly baseUrl: string;
  /** The region was neither asked for nor told by a setting. */
  readonly isGuess: boolean;
};

/** Lists of hosts, each of which must allow a host. */
type Allowlists = readonly Config['upstreamAllowlist'][];

export type LoginSettings = Pick<Config, 'upstreamBaseUrl' | 'oauthHost'> & { readonly allowlists: Allowlists };

type Settings = Pick<CommandContext, 'config' | 'loaded'>;

/** Those of this folder, and of the running proxy whose keys are in question. */
export function allowlistsOf({ config, loaded }: Settings): Allowlists {
  return [loaded.config.upstreamAllowlist, config.upstreamAllowlist];
}

/**
 * What settings say of new logins: those of this folder, for of a running proxy nobody knows whether a project's `.env` sent it where it
 * goes. A `.env` that was merely found may choose between Kimi's own addresses, and send tokens nowhere else. Throws `bad_settings`.
 */
export function loginSettings(context: Settings): LoginSettings {
  const { loaded } = context;
  const { upstreamBaseUrl, oauthHost } = loaded.config;
  const { hostname, host } = new URL(upstreamBaseUrl);
  if (loaded.isEnvFileOfFolder && loaded.sources.upstreamBaseUrl.kind === 'file' && kimiProductAt(hostname) === null) {
    throw new KmiError('bad_settings', `The env file ${loaded.envFile} would send the tokens of a login to ${host}.`, {
      hint: 'A file in a project may not do that. If you intend it, set KMI_UPSTREAM_BASE_URL in ~/.kmi/.env or in the environment, or name the file with KMI_ENV_PATH.',
    });
  }
  return { upstreamBaseUrl, oauthHost, allowlists: allowlistsOf(context) };
}

/**
 * Where a login of one's own is made and used: at the hosts of its region, but for a gateway or a simulator, which settings name. An
 * address of Kimi's in the settings is for keys; of it only the region counts. Throws `bad_usage`.
 */
export function placeOfLogin(settings: LoginSettings, asked: Region | null): LoginPlace {
  const { upstreamBaseUrl, oauthHost } = settings;
  const { hostname } = new URL(upstreamBaseUrl);
  const stated = asked ?? regionAt(hostname);
  const region = stated ?? 'mainland-cn';
  const place = {
    region,
    oauthHost: oauthHost === '' ? REGIONS[region].oauthHost : oauthHost,
    baseUrl: kimiProductAt(hostname) === null ? upstreamBaseUrl : REGIONS[region].baseUrl,
  };
  const problem = whyNotAllowed(place, settings.allowlists);
  if (problem !== null) throw problem;
  const isGuess = asked === null && region === 'mainland-cn' && oauthHost === '' && kimiProductAt(hostname) !== null;
  return { ...place, isGuess };
}

/**
 * Why the tokens of a login may not go where it is made and used; null when they may. Where the API of a region is allowed, so is the
 * region's own authorisation server.
 */
export function whyNotAllowed(
  { oauthHost, baseUrl }: Pick<Login, 'oauthHost' | 'baseUrl'>,
  allowlists: Allowlists,
): KmiError | null {
  const isAllowed = (url: string) => allowlists.every((list) => isAllowedHost(url, list));
  const region = REGION_NAMES.find((name) => REGIONS[name].oauthHost === oauthHost);
  const isServerAllowed = isAllowed(oauthHost) || (region !== undefined && isAllowed(REGIONS[region].baseUrl));
  if (isAllowed(baseUrl) && isServerAllowed) return null;
  const [what, url] = isAllowed(baseUrl) ? ['authorisation server', oauthHost] : ['API', baseUrl];
  return new KmiError(
    'bad_usage',
    `The ${what} of this login is ${new URL(url).host}, which KMI_UPSTREAM_ALLOWLIST does not list.`,
    { hint: 'Add it there, or log in elsewhere; --region names the region.' },
  );
}

export function parseRegion(text: string | undefined): Region | null {
  if (text === undefined) return null;
  const region = REGION_NAMES.find((name) => name === text.trim().toLowerCase());
  if (region !== undefined) return region;
  throw new KmiError('bad_usage', `--region ${text.slice(0, 40)}: takes mainland-cn (kimi.com) or global (kimi.ai).`);
}

/** The region whose API a host is; null for all others. */
function regionAt(hostname: string): Region | null {
  return REGION_NAMES.find((name) => new URL(REGIONS[name].baseUrl).hostname === hostname) ?? null;
}
