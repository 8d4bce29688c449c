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

const DOMAINS: readonly string[] = ['kimi.com', 'kimi.ai', 'moonshot.ai', 'moonshot.cn'];

/** A host of Kimi's or Moonshot's, whether or not an API is known there. `hostname` in small letters. */
export function isKimiHost(hostname: string): boolean {
  return isWithin(hostname, DOMAINS);
}

/** The domain itself, or a host below it. */
export function isWithin(hostname: string, domains: readonly string[]): boolean {
  return domains.some((domain) => hostname === domain || hostname.endsWith(`.${domain}`));
}
