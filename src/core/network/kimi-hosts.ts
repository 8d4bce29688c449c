/** The upstream's two products, by the hosts of their APIs: the coding plan, and the Open Platform with pay-as-you-go keys. */
export type KimiProduct = 'coding' | 'platform';

const PRODUCTS: ReadonlyMap<string, KimiProduct> = new Map([
  ['api.kimi.com', 'coding'],
  ['api.kimi.ai', 'coding'],
  ['api.moonshot.ai', 'platform'],
  ['api.moonshot.cn', 'platform'],
]);

/** Whose API a host is; null for all others. `hostname` in small letters. */
export function kimiProductAt(hostname: string): KimiProduct | null {
  return PRODUCTS.get(hostname) ?? null;
}

/** Pages for people, and the base URL of the API that each is about. */
const WEB_SITES: ReadonlyMap<string, string> = new Map([
  ['platform.moonshot.ai', 'https://api.moonshot.ai/v1'],
  ['platform.kimi.ai', 'https://api.moonshot.ai/v1'],
  ['moonshot.ai', 'https://api.moonshot.ai/v1'],
  ['platform.moonshot.cn', 'https://api.moonshot.cn/v1'],
  ['platform.kimi.com', 'https://api.moonshot.cn/v1'],
  ['moonshot.cn', 'https://api.moonshot.cn/v1'],
  ['kimi.com', 'https://api.kimi.com/coding/v1'],
  ['code.kimi.com', 'https://api.kimi.com/coding/v1'],
  ['kimi.moonshot.cn', 'https://api.kimi.com/coding/v1'],
  ['kimi.ai', 'https://api.kimi.ai/coding/v1'],
]);

/** The API's base URL, for a host of Kimi's that is a web site and no API; null for all others. `hostname` in small letters. */
export function apiBesideSite(hostname: string): string | null {
  return WEB_SITES.get(hostname.replace(/^www\./, '')) ?? null;
}

const DOMAINS: readonly string[] = ['kimi.com', 'kimi.ai', 'moonshot.ai', 'moonshot.cn'];

/** A host of Kimi's or Moonshot's, whether or not an API is known there. `hostname` in small letters. */
export function isKimiHost(hostname: string): boolean {
  return isWithin(hostname, DOMAINS);
}

/** The domain itself, or a host below it. */
export function isWithin(hostname: string, domains: readonly string[]): boolean {
  return domains.some((domain) => hostname === domain || hostname.endsWith(`.${domain}`));
}
