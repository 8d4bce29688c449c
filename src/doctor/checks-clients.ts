import { isLoopbackHost } from '../config/kinds.ts';
import type { KimiClient } from '../core/clients/kimi-model.ts';
import { LOGIN_CLIENTS } from '../core/keys/login-words.ts';
import { answersOf, type Finding } from './finding.ts';

/** What the config file of a Kimi client says of the account it uses. */
export type ClientConfigFact =
  | { readonly is: 'missing' }
  | { readonly is: 'unusable'; readonly problem: string }
  /** `isKimi`: the default model's provider speaks the Kimi protocol; null when the config names no default model. */
  | { readonly is: 'read'; readonly baseUrl: string; readonly isKimi: boolean | null; readonly sendsToken: boolean };

export type ClientFacts = {
  /** The `kimi` on the PATH. `client` null: it does not tell which of the two it is. */
  readonly found: { readonly path: string; readonly client: KimiClient | null } | null;
  readonly configs: { readonly [Client in KimiClient]: ClientConfigFact };
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What a client is pointed at. */
  readonly url: string;
  /** Empty: the proxy asks for none. */
  readonly token: string;
};

const FIX = '`kmi kimi` starts it through the proxy; `kmi env` prints the variables.';

/**
 * Would the installed clients reach the proxy, and would the upstream take them (docs/kimi-api.md#user-agent-gate,
 * docs/kimi-api.md#clients)?
 */
export function checkClients(facts: ClientFacts): readonly Finding[] {
  return [...checkKimi(facts), ...checkLoopbackDirect(facts), clientIdentity()];
}

function checkKimi(facts: ClientFacts): readonly Finding[] {
  const { info } = answersOf('Clients', 'kimi_client');
  const { found } = facts;
  if (found === null)
    return [info('There is no `kimi` on the PATH.', 'Only needed for the Kimi CLI itself; any client can use the proxy.')];
  if (found.client === null) {
    return [
      info(`${found.path} does not tell whether it is kimi-cli or Kimi Code.`, '`kmi kimi` starts either through the proxy.'),
    ];
  }
  const route = found.client === 'kimi-cli' ? routeOfKimiCli(facts) : routeOfKimiCode(facts);
  return [describeRoute(found.client, found.path, route), ...(found.client === 'kimi-code' ? checkIdentity(facts) : [])];
}

/** Where a client's requests go, and by whose word. */
type Route =
  | { readonly to: 'proxy'; readonly by: string; readonly sendsToken: boolean }
  | { readonly to: 'elsewhere'; readonly by: string; readonly url: string }
  | { readonly to: 'default' }
  | { readonly to: 'unknown'; readonly problem: string }
  /** Variables that look as if they led to the proxy and do not. */
  | { readonly to: 'misled'; readonly problem: string };

function describeRoute(client: KimiClient, path: string, route: Route): Finding {
  const { ok, info, warn } = answersOf('Clients', 'kimi_client');
  const name = `${LOGIN_CLIENTS[client]} (${path})`;
  switch (route.to) {
    case 'proxy':
      return route.sendsToken
        ? ok(`${name} reaches the proxy, by ${route.by}.`)
        : warn(`${name} reaches the proxy by ${route.by}, but sends another key than the proxy's token.`, FIX);
    case 'elsewhere':
      return info(`${name} goes to ${hostOf(route.url)}, by ${route.by}, not to the proxy.`, FIX);
    case 'default':
      return info(`${name} goes to the Kimi API directly, not through the proxy.`, FIX);
    case 'unknown':
      return warn(
        `${name}: its config cannot be read. ${route.problem}`,
        'Correct the file; until then the client may not start.',
      );
    case 'misled':
      return warn(`${name} does not reach the proxy: ${route.problem}`, FIX);
  }
}

function routeOfKimiCli(facts: ClientFacts): Route {
  const url = readVariable(facts, 'KIMI_BASE_URL');
  if (url !== null) return routeByVariable(facts, 'KIMI_BASE_URL', 'KIMI_API_KEY', url);
  return routeByConfig(facts, 'kimi-cli');
}

function routeOfKimiCode(facts: ClientFacts): Route {
  const needed = ['KIMI_MODEL_NAME', 'KIMI_MODEL_API_KEY'];
  const missing = needed.filter((name) => readVariable(facts, name) === null);
  const url = readVariable(facts, 'KIMI_MODEL_BASE_URL');
  if (missing.length === 0) {
    return url === null ? { to: 'default' } : routeByVariable(facts, 'KIMI_MODEL_BASE_URL', 'KIMI_MODEL_API_KEY', url);
  }
  if (url !== null && isSameUrl(url, facts.url)) {
    return {
      to: 'misled',
      problem: `it ignores KIMI_MODEL_BASE_URL unless ${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} set too.`,
    };
  }
  const managed = readVariable(facts, 'KIMI_CODE_BASE_URL');
  if (managed !== null && isSameUrl(managed, facts.url))
    return { to: 'proxy', by: 'KIMI_CODE_BASE_URL', sendsToken: facts.token === '' };
  const route = routeByConfig(facts, 'kimi-code');
  const forOther = readVariable(facts, 'KIMI_BASE_URL');
  return route.to !== 'proxy' && forOther !== null && isSameUrl(forOther, facts.url)
    ? { to: 'misled', problem: 'it ignores KIMI_BASE_URL, which is for kimi-cli.' }
    : route;
}

function routeByVariable(facts: ClientFacts, variable: string, keyVariable: string, url: string): Route {
  if (!isSameUrl(url, facts.url)) return { to: 'elsewhere', by: variable, url };
  return { to: 'proxy', by: variable, sendsToken: facts.token === '' || readVariable(facts, keyVariable) === facts.token };
}

function routeByConfig({ configs, url }: ClientFacts, client: KimiClient): Route {
  const config = configs[client];
  if (config.is === 'missing') return { to: 'default' };
  if (config.is === 'unusable') return { to: 'unknown', problem: config.problem };
  return isSameUrl(config.baseUrl, url)
    ? { to: 'proxy', by: 'its config', sendsToken: config.sendsToken }
    : { to: 'elsewhere', by: 'its config', url: config.baseUrl };
}

/** Kimi Code sends the identity the upstream looks for only from providers of type `kimi`. */
function checkIdentity(facts: ClientFacts): readonly Finding[] {
  const { warn } = answersOf('Clients', 'client_identity');
  const type = readVariable(facts, 'KIMI_MODEL_PROVIDER_TYPE');
  const config = facts.configs['kimi-code'];
  const by =
    type !== null && type !== 'kimi'
      ? 'KIMI_MODEL_PROVIDER_TYPE'
      : type === null && config.is === 'read' && config.isKimi === false && isSameUrl(config.baseUrl, facts.url)
        ? 'its config'
        : null;
  if (by === null) return [];
  return [
    warn(
      `Kimi Code is set to another provider type than kimi, by ${by}: the upstream may refuse its chats with 403.`,
      'Use type = "kimi", so that it sends its own identity.',
    ),
  ];
}

/** kimi-cli sends loopback calls to HTTP_PROXY too; Kimi Code never does (docs/kimi-api.md#outgoing-proxies). */
function checkLoopbackDirect({ found, environment, url }: ClientFacts): readonly Finding[] {
  if (found?.client !== 'kimi-cli' || !isLoopbackHost(new URL(url).hostname)) return [];
  const read = (name: string) => environment[name] ?? environment[name.toUpperCase()] ?? '';
  const proxied = ['http_proxy', 'all_proxy'].find((name) => read(name) !== '');
  if (proxied === undefined) return [];
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
  const exempt = read('no_proxy')
    .split(',')
    .map((entry) => entry.trim());
  if (exempt.includes('*') || exempt.includes(host)) return [];
  const { warn } = answersOf('Clients', 'loopback_direct');
  return [
    warn(
      `${proxied.toUpperCase()} is set and NO_PROXY does not name ${host}: clients may send calls for kmi to that proxy.`,
      `Add ${host} to NO_PROXY; \`kmi kimi\` and \`kmi env\` do.`,
    ),
  ];
}

function clientIdentity(): Finding {
  const { info } = answersOf('Clients', 'client_identity');
  return info(
    "The upstream's /chat/completions takes chats only from coding agents that it knows by their User-Agent; kmi passes it on unchanged.",
    'Point the others at the Anthropic path (base URL without /v1), which has no such list.',
    [
      'pass: Kimi CLI, Kimi Code (provider type kimi), Claude Code',
      'no such list: Codex, which uses /responses (`kmi run -- codex`)',
      'refused with 403: OpenAI SDKs, LangChain, curl, Cline, Zed',
    ],
  );
}

function readVariable({ environment }: ClientFacts, name: string): string | null {
  const value = environment[name]?.trim() ?? '';
  return value === '' ? null : value;
}

/** The same address, `localhost` and a slash at the end notwithstanding. */
function isSameUrl(a: string, b: string): boolean {
  return normalise(a) === normalise(b);
}

function normalise(text: string): string {
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  const host = isLoopbackHost(url.hostname) ? 'loopback' : url.hostname;
  return `${url.protocol}//${host}:${url.port}${url.pathname.replace(/\/+$/, '')}`;
}

function hostOf(text: string): string {
  return URL.canParse(text) ? new URL(text).host : 'an address that is no URL';
}
