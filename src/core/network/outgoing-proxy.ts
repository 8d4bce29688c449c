/** A proxy for outgoing calls, as a setting or a variable of the environment names it. */
export type ProxyAddress = {
  /** `socks5` hands the proxy names, not addresses. */
  readonly protocol: 'http' | 'https' | 'socks5';
  /** Lower case, IPv6 without brackets. */
  readonly hostname: string;
  readonly port: number;
  /** Decoded; null: no credentials were given. */
  readonly user: string | null;
  readonly password: string;
};

/** Why a value names no proxy. Never holds the value, which may hold a password. */
export type ProxyProblem = { readonly problem: string };

/** A proxy and the variable that names it. */
export type OutgoingProxy = (ProxyAddress | ProxyProblem) & { readonly variable: string };

export type Variables = Readonly<Record<string, string | undefined>>;

const PROTOCOLS: Readonly<Record<string, ProxyAddress['protocol']>> = {
  http: 'http',
  https: 'https',
  socks5: 'socks5',
  socks5h: 'socks5',
  // What desktops write for SOCKS without a version.
  socks: 'socks5',
};
const DEFAULT_PORTS = { http: 80, https: 443, socks5: 1080 } as const;

/** What a user can write, for messages. */
export const PROXY_FORMS = 'host:port, http://host:port, https://host:port or socks5://host:port';

const NO_ADDRESS: ProxyProblem = { problem: 'it is not an address of a proxy' };

/** `on` and `system` are words of other programs' settings; a host of one word can be told from them by its port. */
const ONE_WORD: ProxyProblem = { problem: 'it is one word without a port, which may be no host' };

/** How the setting says that there is no proxy, whatever the environment names. */
export const DIRECT = 'none';

/** Does a value mean "no proxy": `none`, `direct`, `off`, `no`, `false`, `0`, `direct://`? */
export function isDirect(text: string): boolean {
  return /^(?:none|direct|off|no|false|0|n|never|disabled?)(?::\/*)?$/i.test(unquote(text));
}

/**
 * Reads a proxy as users write it: a URL or bare `host:port`, which means `http://` as for curl and Go; in quotes; with
 * a trailing slash; with a password that is not percent-encoded.
 */
export function parseProxy(text: string): ProxyAddress | ProxyProblem {
  const bare = unquote(text);
  const scheme = /^([a-z][a-z0-9+.-]*):\/+/i.exec(bare);
  const name = (scheme?.[1] ?? 'http').toLowerCase();
  const protocol = Object.hasOwn(PROTOCOLS, name) ? PROTOCOLS[name] : undefined;
  if (protocol === undefined) {
    const shown = /^socks4a?$/.test(name) ? 'SOCKS4' : /^[a-z0-9+.-]{1,20}$/.test(name) ? `${name}://` : 'its scheme';
    return { problem: `${shown} is not supported` };
  }
  const rest = bare.slice(scheme?.[0].length ?? 0).replace(/^\/+/, '');
  // To the last @: a password may hold any character.
  const at = rest.lastIndexOf('@');
  const place = readPlace(rest.slice(at + 1));
  if (place === null) return NO_ADDRESS;
  if (/^[^/.:[\]]+\/?$/.test(bare.slice(bare.lastIndexOf('@') + 1)) && place.hostname !== 'localhost') return ONE_WORD;
  if (/\.(?:pac|dat)$/i.test(place.path)) return { problem: 'it is a file of rules (PAC), not a proxy' };
  const port = place.port === '' ? DEFAULT_PORTS[protocol] : Number(place.port);
  if (port < 1 || port > 65_535) return { problem: 'its port is none from 1 to 65535' };
  return { protocol, hostname: place.hostname, port, ...credentials(at === -1 ? null : rest.slice(0, at)) };
}

/** Blanks and quotes around a value, which some shells and env files hand on. */
function unquote(text: string): string {
  let bare = text.trim();
  while (bare.length > 1 && (bare[0] === '"' || bare[0] === "'") && bare.at(-1) === bare[0]) bare = bare.slice(1, -1).trim();
  return bare;
}

function readPlace(text: string): { readonly hostname: string; readonly port: string; readonly path: string } | null {
  const match = /^(\[[0-9a-f:.]+\]|[^\s:/?#[\]]+)(?::(\d{0,6}))?(?:[/?#](.*))?$/i.exec(text);
  if (match === null) return null;
  const { host = '', port = '', path = '' } = { host: match[1], port: match[2], path: match[3] };
  if (!URL.canParse(`http://${host}/`)) return null;
  const hostname = new URL(`http://${host}/`).hostname.replace(/^\[|\]$/g, '');
  return /^[a-z0-9_.-]+$/.test(hostname) || hostname.includes(':') ? { hostname, port, path } : null;
}

function credentials(userinfo: string | null): Pick<ProxyAddress, 'user' | 'password'> {
  if (userinfo === null || userinfo === '') return { user: null, password: '' };
  const colon = userinfo.indexOf(':');
  const user = colon === -1 ? userinfo : userinfo.slice(0, colon);
  return { user: decode(user), password: colon === -1 ? '' : decode(userinfo.slice(colon + 1)) };
}

/** Percent-decodes what is encoded; a lone `%` stands for itself. */
function decode(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (encoded) => {
    try {
      return decodeURIComponent(encoded);
    } catch {
      return encoded;
    }
  });
}

/** `host:port`, without credentials: what may be shown. */
export function shownProxy({ hostname, port }: Pick<ProxyAddress, 'hostname' | 'port'>): string {
  return `${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`;
}

/** The setting's name; it goes before the environment and before NO_PROXY. */
const SETTING = 'KMI_UPSTREAM_PROXY';

/** What leads calls to `url` out, as the setting (empty: not set) and the environment say; null: they go directly. */
export function pickProxy(url: URL, setting: string, environment: Variables): OutgoingProxy | null {
  if (isDirect(setting)) return null;
  if (setting !== '') return { ...parseProxy(setting), variable: SETTING };
  const usual = readVariable(environment, `${url.protocol.slice(0, -1)}_proxy`) ?? readVariable(environment, 'all_proxy');
  if (usual === null || isExempt(url, readVariable(environment, 'no_proxy')?.value ?? '')) return null;
  return { ...parseProxy(usual.value), variable: usual.variable };
}

/** The variable as it is spelled in the environment: lower case goes first, a blank value counts as none. */
export function readVariable(environment: Variables, name: string): { readonly variable: string; readonly value: string } | null {
  for (const variable of [name, name.toUpperCase()]) {
    const value = unquote(environment[variable] ?? '');
    if (value !== '') return { variable, value };
  }
  return null;
}

/**
 * NO_PROXY as undici, Node and Deno read it: names separated by commas or blanks, each for itself and what is below it,
 * with or without a leading `.` or `*.`; one with a port is for that port only; `*` is for all.
 */
function isExempt(url: URL, noProxy: string): boolean {
  const host = plainHost(url.hostname);
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  return noProxy.split(/[,\s]+/).some((entry) => {
    if (entry === '*') return true;
    const [, name = '', itsPort = port] = /^(\[.*\]|[^:]*|.*:.*:.*?)(?::(\d+))?$/.exec(entry) ?? [];
    const wanted = plainHost(name.replace(/^\*?\./, ''));
    return wanted !== '' && Number(itsPort) === Number(port) && (host === wanted || host.endsWith(`.${wanted}`));
  });
}

function plainHost(host: string): string {
  return host.toLowerCase().replace(/^\[|\]$|\.$/g, '');
}
