import { isLoopbackHost } from '../config/kinds.ts';
import { isKimiHost } from '../core/network/kimi-hosts.ts';
import { isTable, own, type Table } from '../files/toml-table.ts';
import { fitsKey, hostOf, isOtherCompany } from './key-hosts.ts';
import { trimKey } from './key-text.ts';

/** Which of several providers speaks for a file when no default model does, before the others in the file's order. */
const PREFERRED_PROVIDERS = ['managed:kimi-code', 'kimi-for-coding', 'moonshot-ai'] as const;

/** Names under which clients keep other companies' keys; they count where nothing else says whose a provider is. */
const OTHER_NAMES = /^(?:openai|azure|anthropic|claude|google|gemini|vertex|xai|grok|deepseek|mistral|cohere|perplexity)/i;

/**
 * The provider of a Kimi client's config that holds the current account: that of the default model, else `managed:kimi-code`,
 * `kimi-for-coding`, `moonshot-ai`, else the first with an `api_key`. Providers of other companies are passed over, also when the
 * default model is theirs: their key is not ours to show, send or replace. `baseUrl`: an upstream in use, which counts as Kimi's.
 * Null when there is none.
 */
export function chooseProvider(config: Table, baseUrl: string): string | null {
  const [first] = kimiProviders(config, baseUrl).filter(
    (name) => isNamedFirst(config, name) || apiKeyOf(providersOf(config)[name]) !== '',
  );
  return first === undefined ? null : amongTwins(config, first, baseUrl);
}

/** The same for an auth file, which is there for its key: of those with an `api_key`. */
export function chooseProviderWithKey(config: Table, baseUrl: string): string | null {
  const [first] = kimiProviders(config, baseUrl).filter((name) => apiKeyOf(providersOf(config)[name]) !== '');
  return first === undefined ? null : amongTwins(config, first, baseUrl);
}

/** Names of the Kimi providers, in the order in which they speak for the file. */
export function kimiProviders(config: Table, baseUrl: string): readonly string[] {
  const providers = providersOf(config);
  const names = [providerOfDefaultModel(config), ...PREFERRED_PROVIDERS, ...Object.keys(providers)];
  return [...new Set(names)].filter((name): name is string => {
    const provider = name === null ? undefined : own(providers, name);
    return name !== null && isTable(provider) && isKimiProvider(name, provider, baseUrl);
  });
}

function isNamedFirst(config: Table, name: string): boolean {
  return name === providerOfDefaultModel(config) || PREFERRED_PROVIDERS.some((preferred) => preferred === name);
}

/**
 * Kimi Code's login writes a platform's key under two providers, and one of the two addresses refuses it. The default model
 * says which is right, else the models that the file has, else what kind of key it is.
 */
function amongTwins(config: Table, name: string, baseUrl: string): string {
  const providers = providersOf(config);
  const key = apiKeyOf(providers[name]);
  const twins = kimiProviders(config, baseUrl).filter((other) => apiKeyOf(providers[other]) === key);
  if (key === '' || twins.length < 2 || name === providerOfDefaultModel(config)) return name;
  const withModels = twins.filter((twin) => hasModel(config, twin));
  const left = withModels.length > 0 ? withModels : twins;
  const fitting = left.filter((twin) => fitsKey(urlOf(providers[twin], baseUrl), key) === true);
  const best = fitting.length > 0 ? fitting : left;
  return best.includes(name) ? name : (best[0] as string);
}

function hasModel(config: Table, provider: string): boolean {
  const models = own(config, 'models');
  return isTable(models) && Object.values(models).some((model) => isTable(model) && own(model, 'provider') === provider);
}

function urlOf(provider: Table | undefined, fallback: string): string {
  const url = provider === undefined ? undefined : own(provider, 'base_url');
  return typeof url === 'string' && url.trim() !== '' ? url.trim() : fallback;
}

/** The providers that are tables. */
export function providersOf(config: Table): Readonly<Record<string, Table>> {
  const providers = own(config, 'providers');
  const entries = isTable(providers) ? Object.entries(providers).filter(([, value]) => isTable(value)) : [];
  // fromEntries defines own properties, so that a provider named `__proto__` is one like any other.
  return Object.fromEntries(entries) as Record<string, Table>;
}

/** The provider's key as it would be sent; empty when it has none. */
export function apiKeyOf(provider: Table | undefined): string {
  const value = provider === undefined ? undefined : own(provider, 'api_key');
  return typeof value === 'string' ? trimKey(value) : '';
}

/** By the model's own row; without one by its name, which begins with the provider's: `moonshot-ai/kimi-k3`. */
function providerOfDefaultModel(config: Table): string | null {
  const name = own(config, 'default_model');
  if (typeof name !== 'string') return null;
  const models = own(config, 'models');
  const model = isTable(models) ? own(models, name) : undefined;
  const provider = isTable(model) ? own(model, 'provider') : undefined;
  if (typeof provider === 'string') return provider;
  const [prefix = ''] = name.split('/', 1);
  if (prefix === name) return null;
  return [prefix, `managed:${prefix}`].find((candidate) => Object.hasOwn(providersOf(config), candidate)) ?? null;
}

/**
 * Is the provider's key one for Kimi? By where it points, whatever its type, because Kimi speaks other companies' protocols too:
 * to Kimi, to this machine, to the upstream in use. Elsewhere by its type: `kimi`, or none, means a gateway of the user's own.
 */
function isKimiProvider(name: string, provider: Table, baseUrl: string): boolean {
  const url = own(provider, 'base_url');
  const isStated = typeof url === 'string' && url.trim() !== '';
  const host = isStated ? hostOf(url) : null;
  if (host !== null && (isKimiHost(host) || isLoopbackHost(host) || host === hostOf(baseUrl))) return true;
  if (!isKimiType(provider) || (host !== null && isOtherCompany(host))) return false;
  return isStated || own(provider, 'type') !== undefined || !OTHER_NAMES.test(name);
}

export function isKimiType(provider: Table): boolean {
  const type = own(provider, 'type');
  return type === undefined || (typeof type === 'string' && /^(?:kimi)?$/i.test(type.trim()));
}
