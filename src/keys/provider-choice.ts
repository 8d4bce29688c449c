import { isLoopbackHost, parseBaseUrl } from '../config/kinds.ts';
import { PREFERRED_PROVIDERS } from './preferred-providers.ts';
import { isTable, own, type Table } from './table.ts';

const KIMI_DOMAINS = ['kimi.com', 'kimi.ai', 'moonshot.ai', 'moonshot.cn'];

/**
 * The provider of a Kimi CLI config that holds the current account: that of the default model, else `managed:kimi-code`,
 * `kimi-for-coding`, `moonshot-ai`, else the first with an `api_key` (docs/kmi-manager.md#auth-files). Providers of
 * other companies are passed over, also when the default model is theirs: their key is not ours to show or replace.
 * `baseUrl`: an upstream in use, which counts as Kimi's. Null when there is none.
 */
export function chooseProvider(config: Table, baseUrl: string): string | null {
  const providers = providersOf(config);
  const withKey = Object.keys(providers).filter((name) => apiKeyOf(providers[name]) !== '');
  const candidates = [providerOfDefaultModel(config), ...PREFERRED_PROVIDERS, ...withKey];
  for (const name of candidates) {
    const provider = name === null ? undefined : own(providers, name);
    if (isTable(provider) && mayBeKimi(provider, baseUrl)) return name;
  }
  return null;
}

/** The providers that are tables. */
export function providersOf(config: Table): Readonly<Record<string, Table>> {
  const providers = own(config, 'providers');
  const entries = isTable(providers) ? Object.entries(providers).filter(([, value]) => isTable(value)) : [];
  // fromEntries defines own properties, so that a provider named `__proto__` is one like any other.
  return Object.fromEntries(entries) as Record<string, Table>;
}

function apiKeyOf(provider: Table | undefined): string {
  const value = provider === undefined ? undefined : own(provider, 'api_key');
  return typeof value === 'string' ? value.trim() : '';
}

function providerOfDefaultModel(config: Table): string | null {
  const name = own(config, 'default_model');
  const models = own(config, 'models');
  const model = typeof name === 'string' && isTable(models) ? own(models, name) : undefined;
  const provider = isTable(model) ? own(model, 'provider') : undefined;
  return typeof provider === 'string' ? provider : null;
}

/** By its type, or by where it points: Kimi also speaks the protocols of other types (docs/kimi-api.md#endpoints). */
function mayBeKimi(provider: Table, baseUrl: string): boolean {
  if (isKimiType(provider)) return true;
  const url = own(provider, 'base_url');
  const host = typeof url === 'string' ? hostOf(url) : null;
  if (host === null) return false;
  return (
    isLoopbackHost(host) ||
    host === hostOf(baseUrl) ||
    KIMI_DOMAINS.some((domain) => host === domain || host.endsWith(`.${domain}`))
  );
}

export function isKimiType(provider: Table): boolean {
  const type = own(provider, 'type');
  return type === undefined || type === 'kimi';
}

function hostOf(url: string): string | null {
  const parsed = url.length > 2048 ? null : parseBaseUrl(url);
  return parsed === null ? null : new URL(parsed).hostname;
}
