import { parseAddress } from '../config/base-url.ts';
import { isKimiHost, isWithin } from '../core/network/kimi-hosts.ts';

/** Companies that serve their own models there, and none of Kimi's. */
const OTHER_DOMAINS: readonly string[] = [
  ...['openai.com', 'openai.azure.com', 'anthropic.com', 'googleapis.com', 'x.ai', 'deepseek.com', 'mistral.ai', 'cohere.com'],
  ...['cohere.ai', 'perplexity.ai', 'bigmodel.cn', 'z.ai', 'minimaxi.com', 'minimax.io', 'githubcopilot.com', 'chatgpt.com'],
];

/** The host of an address that a key may be sent to; null when it is none. */
export function hostOf(url: string): string | null {
  const parsed = url.length > 2048 ? null : parseAddress(url);
  return parsed === null ? null : new URL(parsed).hostname;
}

export function isOtherCompany(host: string): boolean {
  return isWithin(host, OTHER_DOMAINS);
}

export function isKimiUrl(url: string): boolean {
  const host = hostOf(url);
  return host !== null && isKimiHost(host);
}

/**
 * Is this where the key was made for? Kimi Code's keys begin with `sk-kimi-` and are taken by its own host only, those of the
 * Open Platform by `api.moonshot.*` only. Null where neither can be told.
 */
export function fitsKey(url: string, key: string): boolean | null {
  const host = hostOf(url);
  if (host === null || !isKimiHost(host) || !key.startsWith('sk-')) return null;
  return key.startsWith('sk-kimi-') === /(?:^|\.)kimi\.(?:com|ai)$/.test(host);
}
